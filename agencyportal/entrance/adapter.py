"""How allauth signs people in here. Nobody signs up: an owner or the operator invites."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from agencyportal.core.documents import DEFAULT_COLOUR
from clients.models import Platform, User


class EntranceAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped base
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's
        return reverse("home")

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Who never had a password is welcomed: they forgot nothing, somebody invited them."""
        if user.has_usable_password():
            super().send_password_reset_mail(user, email, context)
            return
        self.send_mail("account/email/invitation", email, context | {"places": _places(user)})

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send with what `mail/base.html` shows: these mails are the platform's own."""
        platform = Platform.objects.first()
        shown = {
            "agency": platform.name if platform else "Agency Portal",
            "colour": DEFAULT_COLOUR,
            "language": get_language(),
        }
        super().send_mail(template_prefix, email, shown | context)


def _places(user: User) -> list[str]:
    """Where somebody is invited to, by name: agencies, and clients with whose agency it is."""
    agencies = user.agency_memberships.select_related("agency").order_by("agency__name")
    clients = user.client_memberships.select_related("client__agency").order_by("client__name")
    return [
        *(member.agency.name for member in agencies),
        *(f"{member.client.name} ({member.client.agency.name})" for member in clients),
    ]
