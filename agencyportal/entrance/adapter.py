"""How allauth signs people in here. Nobody signs up: an owner or the operator invites."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from agencyportal.core.documents import DEFAULT_COLOUR
from clients.models import Platform


class EntranceAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped base
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002 - allauth's
        return reverse("home")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send with what `mail/base.html` shows: these mails are the platform's own."""
        platform = Platform.objects.first()
        shown = {
            "agency": platform.name if platform else "Agency Portal",
            "colour": DEFAULT_COLOUR,
            "language": get_language(),
        }
        super().send_mail(template_prefix, email, shown | context)
