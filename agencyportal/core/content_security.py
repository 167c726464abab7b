"""What a page may load and run, by where it lies (CSP Level 3).

Everything is strict - our own files alone, nothing inline - but for the pages whose software was
not written that way. Those are named in `settings.CONTENT_SECURITY_POLICY_BY_PREFIX`.
"""

from __future__ import annotations

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class ContentSecurityMiddleware(CSPMiddleware):
    """django-csp's header, with some directives replaced below some paths."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only:
            # What a view says for itself comes last.
            parts.replace = directives_below(request.path) | (parts.replace or {})
        return parts


def directives_below(path: str) -> dict[str, Any]:
    """The directives that differ for `path`; none for most."""
    by_prefix: dict[str, dict[str, Any]] = settings.CONTENT_SECURITY_POLICY_BY_PREFIX
    for prefix, directives in by_prefix.items():
        if path.startswith(prefix):
            return dict(directives)
    return {}
