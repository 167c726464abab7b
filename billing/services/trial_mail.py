"""Tells both sides that a trial is about to end, while there is time to decide.

A sweep: what is due is read off the subscriptions, and a message has its key, so that it is written
once for each end that a trial is given, whoever looks and however often.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.db.models import Sum
from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from agencyportal.core.periods import local_date
from billing.models import Charge, CollectedBy, Mail, Subscription
from billing.selectors.trials import trials_ending

from .alert_mail import admins_of, managers_of
from .letterhead import letterhead
from .mailing import message, queue_mails

TOLD_BEFORE: Final = dt.timedelta(days=3)
"""How long before a trial ends people are told."""


def announce_trial_ends(*, now: dt.datetime, limit: int | None = None) -> int:
    """Queue the messages about trials that end within `TOLD_BEFORE` and go on as paid; returns
    about how many trials. One that was told of is not looked at again."""
    ending = trials_ending(Subscription.objects.all(), now, within=TOLD_BEFORE)
    rows = ending.select_related("workspace__agency", "client", "plan_version__plan")
    keys = {_key(row, "agency"): row for row in rows.order_by("trial_until", "pk")}
    told = set(Mail.objects.filter(key__in=keys).values_list("key", flat=True))
    waiting = [row for key, row in keys.items() if key not in told][:limit]
    for row in waiting:
        queue_mails(_messages(row, now))
    return len(waiting)


def _key(row: Subscription, side: str) -> str:
    return f"trial:{row.pk}:{row.charged_from:%Y%m%dT%H%M}:{side}"


def _messages(row: Subscription, now: dt.datetime) -> Iterator[Mail]:
    """The client's, then the agency's, whose key says that both were written."""
    client = row.client
    recipients = {"client": admins_of(client), "agency": managers_of(row.workspace)}
    languages = {"client": client.language, "agency": row.workspace.agency.language}
    for side, addresses in recipients.items():
        formats = Formats(languages[side], client.currency)
        with translation.override(formats.language):
            told = _context(row, formats, is_client=side == "client")
            yield message(
                agency=row.workspace.agency,
                client=client if side == "client" else None,
                key=_key(row, side),
                recipients=addresses,
                subject=render_to_string("mail/trial_subject.txt", told),
                body_text=render_to_string("mail/trial.txt", told),
                body_html=render_to_string("mail/trial.html", told),
                now=now,
            )


def _context(row: Subscription, formats: Formats, *, is_client: bool) -> dict[str, Any]:
    client, agency = row.client, row.workspace.agency
    ends = row.charged_from
    return {
        "is_client": is_client,
        "client": client.name,
        **letterhead(agency, formats, answers=is_client),
        "workspace": row.workspace.name,
        "package": row.plan_version.plan.name,
        "last": formats.long_day(local_date(ends - dt.timedelta(microseconds=1), row.timezone)),
        "first": formats.long_day(local_date(ends, row.timezone)),
        "fees": formats.money(_first_fees(row)),
        "link": f"{settings.PORTAL_BASE_URL}/portal/{client.pk}/",
    }


def _first_fees(row: Subscription) -> Decimal:
    """What is asked when the trial ends, under whatever package goes on, before tax."""
    asked = Charge.objects.standing().filter(
        workspace=row.workspace_id,
        period__start=row.charged_from,
        bill_at=row.charged_from,
        collected_by=CollectedBy.PLATFORM,
    )
    total: Decimal | None = asked.aggregate(total=Sum("amount"))["total"]
    return total or Decimal(0)
