"""The messages of a check: one to the client, one to the agency, each in its own words, about
everything that the check found in one workspace."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from agencyportal.core.formats import Formats
from agencyportal.core.periods import local_date
from billing.models import Alert, AlertKind, Mail
from billing.selectors.balances import Balance
from clients.models import Agency, AgencyMember, Client, ClientMember, Workspace

from .alert_words import words_of
from .letterhead import letterhead
from .mailing import message, queue_mail

TOLD_ROLES = (AgencyMember.Role.OWNER, AgencyMember.Role.MANAGER)

ABOUT_WHAT_IS_LEFT = (AlertKind.PERCENT, AlertKind.UNITS, AlertKind.FORECAST)
"""Kinds after which people ask what is left, and what happens past it."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert with the levels that it lists, and how its unit stands, if it is about one now."""

    alert: Alert
    levels: tuple[Decimal, ...]
    balance: Balance | None


def queue_alert_mail(*, workspace: Workspace, raised: Sequence[Raised], now: dt.datetime) -> None:
    """Queue what the rules ask for, in the transaction of the alerts, and note it on them: the
    client's message, else the agency's."""
    for_client = [row for row in raised if row.alert.tells_client]
    for_agency = [row for row in raised if row.alert.tells_agency]
    for rows, is_client in ((for_client, True), (for_agency, False)):
        if not rows:
            continue
        mail = _queue(workspace, rows, now, is_client=is_client)
        for row in rows:
            if row.alert.mail_id is None:
                Alert.objects.filter(pk=row.alert.pk).update(mail=mail)
                row.alert.mail = mail


def _queue(
    workspace: Workspace, rows: Sequence[Raised], now: dt.datetime, *, is_client: bool
) -> Mail:
    client = workspace.client
    side = "client" if is_client else "agency"
    reader: Client | Agency = client if is_client else workspace.agency
    formats = Formats(reader.language, client.currency)
    with translation.override(formats.language):
        told = _context(workspace, rows, formats, is_client=is_client)
        mail = message(
            agency=workspace.agency,
            client=client if is_client else None,
            key=f"alert:{rows[0].alert.pk}:{side}",
            recipients=admins_of(client) if is_client else managers_of(workspace),
            subject=render_to_string("mail/alert_subject.txt", told),
            body_text=render_to_string("mail/alert.txt", told),
            body_html=render_to_string("mail/alert.html", told),
            now=now,
        )
    return queue_mail(mail)


def admins_of(client: Client) -> list[str]:
    """Who may buy for a client; without anybody, the client's own address."""
    admins = client.members.filter(role=ClientMember.Role.ADMIN, user__is_active=True)
    found = sorted(admins.values_list("user__email", flat=True))
    return found or ([client.email] if client.email else [])


def managers_of(workspace: Workspace) -> list[str]:
    """`managers_at` the agency of a workspace."""
    return managers_at(workspace.agency)


def managers_at(agency: Agency) -> list[str]:
    """An agency's owners and account managers; without anybody, the agency's own address."""
    managers = agency.members.filter(role__in=TOLD_ROLES, user__is_active=True)
    found = sorted(managers.values_list("user__email", flat=True))
    return found or ([agency.email] if agency.email else [])


def _context(
    workspace: Workspace, rows: Sequence[Raised], formats: Formats, *, is_client: bool
) -> dict[str, Any]:
    client = workspace.client
    place = workspace.name
    if not is_client:
        place = _("%(workspace)s of %(client)s") % {
            "workspace": workspace.name,
            "client": client.name,
        }
    told = [
        words_of(
            row.alert, row.levels, place=place, currency=client.currency, locale=formats.locale
        )
        for row in rows
    ]
    return {
        "is_client": is_client,
        "client": client.name,
        **letterhead(workspace.agency, formats, answers=is_client),
        "workspace": workspace.name,
        "alerts": [
            {"words": words, "outlook": _outlook(row, formats)}
            for words, row in zip(told, rows, strict=True)
        ],
        "title": told[0].title if len(told) == 1 else "",
        "count": len(told),
        "link": f"{settings.PORTAL_BASE_URL}/portal/{client.pk}/",
    }


def _outlook(row: Raised, formats: Formats) -> dict[str, Any] | None:
    """What is left of a unit and what happens past it, for kinds that make one ask."""
    balance = row.balance
    if balance is None or row.alert.kind not in ABOUT_WHAT_IS_LEFT:
        return None
    return {
        "unit": balance.unit.plural,
        "remaining": formats.quantity(balance.remaining),
        "overage": formats.quantity(balance.overage) if balance.overage else "",
        "has_remaining": bool(balance.remaining),
        "policy": balance.policy,
        "blocks": balance.blocks,
        "resets_on": formats.long_day(local_date(balance.resets_at, balance.period.timezone)),
    }
