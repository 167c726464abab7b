"""What a client agrees to when it has top-ups bought automatically, in the words that are kept."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from billing.models import TopUpBand, TopUpConsent
from billing.runaway import MOST_IN_BURST, PACE_FACTOR
from clients.models import Platform, Workspace

from .top_up_orders import price_of

TERMS_VERSION: Final = "2026-12"
"""Of the wording in `templates/portal/automatic_terms.txt`. Who agreed to another one is asked
again before anything more is bought; change it with the wording."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to have bought: amounts in the client's currency, ``max_amount`` with
    tax, both maxima in a calendar month of the client's time zone."""

    band: TopUpBand
    threshold: Decimal
    max_count: int
    max_amount: Decimal
    pay: str


def terms_of(*, workspace: Workspace, wanted: Wanted, now: dt.datetime) -> str:
    """The terms, with every figure, in the client's language."""
    client = workspace.client
    formats = Formats(client.language, client.currency)
    with translation.override(formats.language):
        text = render_to_string("portal/automatic_terms.txt", _told(workspace, wanted, now))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def digest_of(terms: str) -> str:
    """What a form carries to say which words were shown."""
    return hashlib.sha256(terms.encode()).hexdigest()


def _told(workspace: Workspace, wanted: Wanted, now: dt.datetime) -> dict[str, Any]:
    client, band = workspace.client, wanted.band
    formats = Formats(client.language, client.currency)
    price = price_of(client=client, band=band, currency=client.currency, now=now)
    return {
        "client": client.printed_name,
        "platform": (Platform.objects.first() or Platform(name="Agency Portal")).printed_name,
        "workspace": workspace.name,
        "threshold": formats.quantity(wanted.threshold),
        "units": band.unit.plural,
        "band": band.name,
        "quantity": formats.quantity(band.quantity),
        "net": formats.money(price.net),
        "gross": formats.money(price.gross) if price.tax else "",
        "max_count": wanted.max_count,
        "max_amount": formats.money(wanted.max_amount),
        "zone": client.timezone.replace("_", " "),
        "by_card": wanted.pay == TopUpConsent.Pay.CARD,
        "in_burst": MOST_IN_BURST,
        "factor": PACE_FACTOR,
    }
