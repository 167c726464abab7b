"""Inviting people: their part in an agency or a client, and the one message that tells them.

The message names the sign-in page, not a password's link: messages are kept, and read by others.
Who has no password asks for that link there, and gets it at their own address alone.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from agencyportal.core.formats import Formats
from clients.models import Agency, AgencyMember, Client, ClientMember, User
from clients.services.people import invite_client_member, invite_member

from .letterhead import letterhead
from .mailing import message, queue_mail


@transaction.atomic
def invite_to_agency(
    *, agency: Agency, email: str, name: str, role: str, now: dt.datetime
) -> AgencyMember:
    """Give the person with this address a part in an agency, and tell them once.

    A member already: as they are, and not told again. Raises ValidationError, by field.
    """
    member = invite_member(agency=agency, email=email, name=name, role=role)
    _tell(member.user, agency=agency, client=None, key=f"agency:{member.pk}", now=now)
    return member


@transaction.atomic
def invite_to_client(
    *, client: Client, email: str, name: str, role: str, now: dt.datetime
) -> ClientMember:
    """The same at a client, in the client's language."""
    member = invite_client_member(client=client, email=email, name=name, role=role)
    _tell(member.user, agency=client.agency, client=client, key=f"client:{member.pk}", now=now)
    return member


def _tell(user: User, *, agency: Agency, client: Client | None, key: str, now: dt.datetime) -> None:
    formats = Formats((client or agency).language, "USD")
    has_password = user.has_usable_password()
    page = "account_login" if has_password else "account_reset_password"
    with translation.override(formats.language):
        told = {
            "place": agency.name if client is None else f"{client.name} ({agency.name})",
            "email": user.email,
            "has_password": has_password,
            "link": f"{settings.PORTAL_BASE_URL}{reverse(page)}",
            **letterhead(agency, formats),
        }
        mail = message(
            agency=agency,
            client=client,
            key=f"invitation:{key}",
            recipients=[user.email],
            subject=render_to_string("mail/invitation_subject.txt", told),
            body_text=render_to_string("mail/invitation.txt", told),
            body_html=render_to_string("mail/invitation.html", told),
            now=now,
        )
    queue_mail(mail)
