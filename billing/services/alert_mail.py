"""The messages of an alert: one to the client, one to the agency, each in its own words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from agencyportal.core.periods import local_date
from billing.models import Alert, AlertRule, Mail
from billing.selectors.usage import UnitBalance
from clients.models import AgencyMember, Client, ClientMember, Workspace

from .mailing import message, queue_mail

TOLD_ROLES = (AgencyMember.Role.OWNER, AgencyMember.Role.MANAGER)


def queue_alert_mail(
    *,
    alert: Alert,
    workspace: Workspace,
    balance: UnitBalance,
    rule: AlertRule,
    percents: Sequence[int],
    now: dt.datetime,
) -> Mail | None:
    """Queue what the rule asks for, in the transaction of the alert; the client's message, else
    the agency's, else None."""
    queued: list[Mail] = []
    context = _context(workspace, balance, percents)
    sides = [("client", rule.tells_client), ("agency", rule.tells_agency)]
    for side, is_told in sides:
        if is_told:
            queued.append(_queue(alert, workspace, side, context, now))
    return queued[0] if queued else None


def _queue(
    alert: Alert, workspace: Workspace, side: str, context: dict[str, Any], now: dt.datetime
) -> Mail:
    client = workspace.client
    is_client = side == "client"
    told = context | {"is_client": is_client}
    with translation.override(Formats(client.language, client.currency).language):
        mail = message(
            agency=workspace.agency,
            client=client if is_client else None,
            key=f"alert:{alert.pk}:{side}",
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
    """The agency's owners and account managers; without anybody, the agency's own address."""
    agency = workspace.agency
    managers = agency.members.filter(role__in=TOLD_ROLES, user__is_active=True)
    found = sorted(managers.values_list("user__email", flat=True))
    return found or ([agency.email] if agency.email else [])


def _context(workspace: Workspace, balance: UnitBalance, percents: Sequence[int]) -> dict[str, Any]:
    client = workspace.client
    formats = Formats(client.language, client.currency)
    return {
        "agency": workspace.agency.name,
        "client": client.name,
        "colour": workspace.agency.brand_color,
        "contact": workspace.agency.email,
        "language": formats.bcp47,
        "workspace": workspace.name,
        "unit": balance.unit.plural,
        "used": formats.quantity(balance.used),
        "entitled": formats.quantity(balance.granted),
        "remaining": formats.quantity(balance.remaining),
        "overage": formats.quantity(balance.overage) if balance.overage else "",
        "has_remaining": bool(balance.remaining),
        "percents": ", ".join(f"{percent} %" for percent in percents),
        "highest": max(percents),
        "policy": balance.policy,
        "blocks": balance.cap is not None,
        "resets_on": formats.long_day(local_date(balance.resets_at, balance.period.timezone)),
        "link": f"{settings.PORTAL_BASE_URL}/portal/{client.pk}/",
    }
