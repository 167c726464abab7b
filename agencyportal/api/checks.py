"""System check: throttles that count what they should."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core import checks

OWN_MEMORY: Final = ("locmem.LocMemCache", "dummy.DummyCache")


def check_shared_cache(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Where others than this machine are served, every process counts calls of its own."""
    backend = str(settings.CACHES["default"]["BACKEND"])
    is_shared = not backend.endswith(OWN_MEMORY)
    if settings.ENVIRONMENT.embedded or is_shared or not settings.API_CALLS_PER_MINUTE:
        return []
    return [
        checks.Warning(
            "Each process counts the API's calls for itself, so a key may make more of them than "
            "PORTAL_API_…_PER_MINUTE says, and more with every process.",
            hint="Set CACHE_URL to a cache that all processes share, as redis://127.0.0.1:6379/1.",
            id="api.W001",
        )
    ]
