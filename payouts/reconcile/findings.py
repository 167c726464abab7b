"""What reconciling finds: how much was proved, and every difference, naming the row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import models

from agencyportal.core.money import plain

MISSING: Final = "no such row"
UNEXPECTED: Final = "nothing that calls for it"


@dataclass(frozen=True, slots=True)
class Checked:
    """``rows`` more rows of a subject were proved; ``open`` others cannot be, or not yet."""

    subject: str
    rows: int
    open: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one row is not what it must be. ``name`` is what people call the row."""

    subject: str
    model: str
    pk: object
    name: str
    field: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        where = f"{self.model} {self.pk}" if self.pk is not None else self.model
        return f"{where} ({self.name}), {self.field}: {self.stored}, but it must be " + (
            self.recomputed
        )


Finding = Checked | Difference


def compare(
    subject: str, row: models.Model, name: str, fields: Mapping[str, tuple[Any, Any]]
) -> Iterator[Difference]:
    """A difference for each field whose stored value is not the recomputed one."""
    for field, (stored, recomputed) in fields.items():
        if stored != recomputed:
            yield difference(subject, row, name, field, stored, recomputed)


def difference(
    subject: str, row: models.Model, name: str, field: str, stored: Any, recomputed: Any
) -> Difference:
    return Difference(
        subject, row._meta.label, row.pk, name, field, shown(stored), shown(recomputed)
    )


def missing(subject: str, model: type[models.Model], name: str, recomputed: Any) -> Difference:
    """A row that must be there and is not."""
    return Difference(subject, model._meta.label, None, name, "row", MISSING, shown(recomputed))


def unexpected(subject: str, row: models.Model, name: str, stored: Any) -> Difference:
    """A row that is there and must not be."""
    return Difference(subject, row._meta.label, row.pk, name, "row", shown(stored), UNEXPECTED)


def shown(value: Any) -> str:
    """A value as a report prints it."""
    match value:
        case None:
            return "nothing"
        case Decimal():
            return plain(value)
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case "":
            return "empty"
    return str(value)
