"""Who was told of alerts: each side that a rule tells, once for all that one check found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from django.db.models import Count

from billing.models import Alert, AlertCrossing, Mail

from .findings import Checked, Finding, compare, missing, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Alert messages"
CLIENT, AGENCY = "client", "agency"

_First = dict[tuple[int, dt.datetime, str], int]
"""The first alert of a check of a workspace that tells a side: its message is about all of them."""


def check_alert_messages(scope: Scope) -> Iterator[Finding]:
    """No level was told twice of one rule, period, unit and arming; whom an alert tells has a
    message, of its own agency and client, and the alert names the client's, else the agency's."""
    yield from _check_once(scope)
    first: _First = {}
    alerts = scope.of(Alert.objects.select_related("workspace", "unit", "mail")).order_by("pk")
    rows = alerts.iterator(chunk_size=CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        yield from _check_chunk(chunk, first)
        yield Checked(SUBJECT, len(chunk))


def _check_once(scope: Scope) -> Iterator[Finding]:
    what = ("rule_id", "period_id", "unit_id", "level", "arming")
    told = scope.of(AlertCrossing.objects.order_by())
    for twice in told.values(*what).annotate(times=Count("pk")).filter(times__gt=1):
        times = twice.pop("times")
        for row in told.filter(**twice).order_by("pk")[1:]:
            yield unexpected(SUBJECT, row, str(row), f"told {times} times")


def _check_chunk(alerts: Sequence[Alert], first: _First) -> Iterator[Finding]:
    wanted = {alert.pk: _keys(alert, first) for alert in alerts}
    keys = [key for by_side in wanted.values() for key in by_side.values()]
    mails = {mail.key: mail for mail in Mail.objects.filter(key__in=keys).defer("body_html")}
    for alert in alerts:
        by_side = wanted[alert.pk]
        own = by_side.get(CLIENT) or by_side.get(AGENCY)
        named = alert.mail.key if alert.mail is not None else None
        yield from compare(SUBJECT, alert, _name(alert), {"mail": (named, own)})
        for side, key in by_side.items():
            mail = mails.get(key)
            if mail is None:
                yield missing(SUBJECT, Mail, f"{key}, about {_name(alert)}", f"to the {side}")
            elif key.startswith(f"alert:{alert.pk}:"):
                yield from _check_mail(alert, mail, side)


def _check_mail(alert: Alert, mail: Mail, side: str) -> Iterator[Finding]:
    of_client = alert.workspace.client_id if side == CLIENT else None
    fields: dict[str, tuple[Any, Any]] = {
        "agency": (mail.agency_id, alert.agency_id),
        "client": (mail.client_id, of_client),
    }
    yield from compare(SUBJECT, mail, f"{mail.key}, about {_name(alert)}", fields)


def _keys(alert: Alert, first: _First) -> dict[str, str]:
    """The keys of the messages that tell of an alert, by side."""
    told = {CLIENT: alert.tells_client, AGENCY: alert.tells_agency}
    check = (alert.workspace_id, alert.noticed_at)
    return {
        side: f"alert:{first.setdefault((*check, side), alert.pk)}:{side}"
        for side, is_told in told.items()
        if is_told
    }


def _name(alert: Alert) -> str:
    what = alert.unit.plural if alert.unit is not None else "everything"
    return f"{what} of {alert.workspace} at {alert.noticed_at:%Y-%m-%d %H:%M}"
