"""Series of document numbers: from one to the last, none missing, none twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from billing.models import CreditNote, DocumentSeries, Invoice
from billing.services.series import DIGITS
from payouts.models import Payout

from .findings import Checked, Finding, difference

SUBJECT: Final = "Numbers"


def check_numbers() -> Iterator[Finding]:
    """Every series of the platform, whoever's documents are in it: numbers say nothing more."""
    for series in DocumentSeries.objects.order_by("code"):
        numbered = chain(
            *(
                model.objects.filter(series=series).values_list("sequence", "number", "pk")
                for model in (Invoice, CreditNote, Payout)
            )
        )
        taken: set[int] = set()
        count = 0
        for sequence, number, pk in numbered:
            if sequence is None:
                yield difference(SUBJECT, series, f"{number} (key {pk})", "sequence", None, number)
                continue
            count += 1
            taken.add(sequence)
            printed = f"{series.prefix}{sequence:0{DIGITS}d}"
            if number != printed:
                name = f"{number} (key {pk})"
                yield difference(SUBJECT, series, name, "number", number, printed)
        yield Checked(SUBJECT, count)
        for gap in sorted(set(range(1, series.next_number)) - taken):
            printed = f"{series.prefix}{gap:0{DIGITS}d}"
            yield difference(SUBJECT, series, series.code, printed, "no such document", "issued")
        for beyond in sorted(number for number in taken if number >= series.next_number):
            yield difference(
                SUBJECT, series, series.code, "next_number", series.next_number, f"over {beyond}"
            )
