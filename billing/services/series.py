"""Gapless document numbers, taken from a locked row in the transaction that issues."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from agencyportal.core.locks import lock_rows
from billing.models import DocumentSeries
from clients.models import Platform

DIGITS = 6
"""Numbers are padded to this width, so that they sort as text: ``INV-2026-000042``."""


PREFIXES: Final = {"invoice": "INV", "credit-note": "CN"}
"""What numbers of each type of document begin with."""


class SeriesName(NamedTuple):
    code: str
    prefix: str


def series_of(document: str, *, platform: Platform, issued_on: dt.date) -> SeriesName:
    """The series in which the platform numbers a type of document on a day of its own calendar.

    The platform is the one issuer; whether every year has a series of its own is its setting.
    """
    prefix = PREFIXES[document]
    if not platform.numbers_by_year:
        return SeriesName(document, f"{prefix}-")
    return SeriesName(f"{document}-{issued_on:%Y}", f"{prefix}-{issued_on:%Y}-")


class Taken(NamedTuple):
    """One number of a series. ``number`` is printed, ``sequence`` is what has no gaps."""

    series: DocumentSeries
    sequence: int
    number: str


def take_number(*, code: str, prefix: str) -> Taken:
    """`take_numbers` of one."""
    (taken,) = take_numbers(1, code=code, prefix=prefix)
    return taken


def take_numbers(count: int, *, code: str, prefix: str) -> list[Taken]:
    """Take the next numbers of the series ``code``, creating the series with ``prefix`` at 1.

    Call it inside the transaction that issues: the series stays locked until that commits, so
    numbers follow one another without gaps, and a rollback gives the numbers back. Take them
    last: everybody else who issues waits. Locks: the documents first, then their series.

    Raises TransactionManagementError outside a transaction, where a crash would leave a gap, and
    ValueError when the series exists with another prefix.
    """
    series = _locked(code) or _begun(code, prefix)
    if series.prefix != prefix:
        raise ValueError(
            f"The series {code} prints {series.prefix!r}, not {prefix!r}: "
            "a series keeps its prefix; begin a new one."
        )
    first = series.next_number
    series.next_number = first + count
    series.save(update_fields=["next_number"])
    return [
        Taken(series, sequence, f"{prefix}{sequence:0{DIGITS}d}")
        for sequence in range(first, first + count)
    ]


def _locked(code: str) -> DocumentSeries | None:
    return next(iter(lock_rows(DocumentSeries.objects.filter(code=code))), None)


def _begun(code: str, prefix: str) -> DocumentSeries:
    """A new series; the one that somebody else began at the same time, once they are done."""
    DocumentSeries.objects.bulk_create(
        [DocumentSeries(code=code, prefix=prefix)], ignore_conflicts=True
    )
    return lock_rows(DocumentSeries.objects.filter(code=code))[0]
