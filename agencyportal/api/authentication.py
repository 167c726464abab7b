"""Who calls the API: a program, with the key of one workspace."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from agencyportal.api.throttling import KeyThrottle
from clients.models import Workspace, WorkspaceKey
from clients.services.keys import authenticate


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <workspace key>``; ``request.auth`` is then the WorkspaceKey.

    A key speaks for a workspace, not for a person, so ``request.user`` stays anonymous.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, WorkspaceKey] | None:
        scheme, _, credentials = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = authenticate(plain_text=credentials.strip().decode("latin-1"), now=timezone.now())
        if key is None:
            # One answer for unknown, revoked and expired: it tells a stranger nothing.
            raise AuthenticationFailed("This key opens nothing: unknown, revoked or expired.")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return 'Bearer realm="Agency Portal"'


class KeyHasScope(BasePermission):
    """Opens a :class:`ScopedView` to keys of its scope; without it 403, without a key 401."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        key = request.auth
        if not isinstance(key, WorkspaceKey) or not isinstance(view, ScopedView):
            return False
        if view.required_scope in key.scopes:
            return True
        self.message = f"This key lacks the scope “{view.required_scope}”."
        return False


class ScopedView(APIView):
    """A view for keys that have ``required_scope``, as often as their throttle allows."""

    authentication_classes = (KeyAuthentication,)
    permission_classes = (KeyHasScope,)
    throttle_classes = (KeyThrottle,)
    required_scope: str

    @property
    def workspace(self) -> Workspace:
        """Whose key was shown: all that the call can see."""
        return cast(WorkspaceKey, self.request.auth).workspace
