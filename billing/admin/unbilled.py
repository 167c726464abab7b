"""On the page of an event that nobody pays for: why, and what to do."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.html import format_html

from agencyportal.core.admin import extend
from billing.selectors.unbilled import why_unbilled
from clients.models import UsageEvent


def why(request: HttpRequest, event: UsageEvent) -> str:  # noqa: ARG001
    found = why_unbilled(event)
    if found is None:
        return ""
    return format_html(
        '<section class="console-card" aria-label="Why it is unbilled">'
        '<p class="console-title">Nobody pays for this: {}</p><p class="console-note">{}</p>'
        "</section>",
        found.reason,
        found.remedy,
    )


extend(UsageEvent, panels=[why])
