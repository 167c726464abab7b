"""How many calls a workspace's key may make: counted by key and scope, minute by minute."""

from __future__ import annotations

import time
from typing import Final

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from clients.models import WorkspaceKey

WINDOW: Final = 60


class KeyThrottle(BaseThrottle):
    """At most ``settings.API_CALLS_PER_MINUTE[scope]`` calls of one key in one minute.

    One counter per key, scope and minute, not a list of every call, since programs call often.
    The counters are in the cache: per process, until a shared cache is configured.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        scope = getattr(view, "required_scope", "")
        limit = settings.API_CALLS_PER_MINUTE.get(str(scope))
        if limit is None or not isinstance(request.auth, WorkspaceKey):
            return True
        minute = int(time.time() // WINDOW)
        name = f"api-calls:{scope}:{request.auth.pk}:{minute}"
        cache.add(name, 0, timeout=2 * WINDOW)
        try:
            return cache.incr(name) <= limit
        except ValueError:  # the cache was full and let it go
            return True

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW
