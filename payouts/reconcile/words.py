"""Stored words: a column that takes one of a few words holds one of them.

Everything else rests on that, so it comes first. Where a word is unknown, what is proved further on
may not know what to do with the row; it says so then, rather than stopping the whole report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.apps import apps
from django.db.models import Count, Field, Model, Q

from agencyportal.core.tenancy import ScopedQuerySet

from .findings import Checked, Difference, Finding, difference
from .scope import CHUNK, Scope

SUBJECT: Final = "Stored words"
APPS: Final = ("clients", "billing", "payouts")


def check_words(scope: Scope) -> Iterator[Finding]:
    """Every column with choices, of every row of ours."""
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            words = {field.name: _words(field) for field in model._meta.concrete_fields}
            known = {name: allowed for name, allowed in words.items() if allowed}
            if known:
                yield from _check(model, known, scope)


def as_far_as_known(what: str, findings: Iterable[Finding], *, unknown: bool) -> Iterator[Finding]:
    """``findings``, up to where one of the ``unknown`` words stops them."""
    if not unknown:
        yield from findings
        return
    try:
        yield from findings
    except (LookupError, ValueError) as error:
        yield Difference(
            SUBJECT, "Proof", None, what, "stopped", str(error), "a word that is known"
        )


def _words(field: Field[Any, Any]) -> set[Any]:
    if not field.choices:
        return set()
    empty = {None} if field.null else set()
    return {word for word, _ in field.flatchoices} | empty | ({""} if field.blank else set())


def _check(model: type[Model], known: dict[str, set[Any]], scope: Scope) -> Iterator[Finding]:
    rows = model._default_manager.all()
    if isinstance(rows, ScopedQuerySet):
        rows = scope.of(rows)
    strange = Q()
    for name, words in known.items():
        strange |= ~Q(**{f"{name}__in": words - {None}}) & Q(**{f"{name}__isnull": False})
    counts = rows.aggregate(rows=Count("pk"), strange=Count("pk", filter=strange))
    yield Checked(SUBJECT, counts["rows"])
    if not counts["strange"]:
        return
    for row in rows.filter(strange).order_by("pk").iterator(chunk_size=CHUNK):
        for name, words in known.items():
            stored = getattr(row, name)
            if stored not in words:
                must_be = " or ".join(sorted(str(word or "empty") for word in words))
                yield difference(SUBJECT, row, _name(row), name, stored, must_be)


def _name(row: Model) -> str:
    """What people call a row, if it can say so: its own words may be the unknown ones."""
    try:
        return str(row)
    except (LookupError, ValueError):
        return str(row._meta.verbose_name)
