"""Queries that are put together once and run with other values each time.

The ORM needs a millisecond or two to put a statement together, several times what running it
takes, and PostgreSQL plans it anew each time. Where a call is answered thousands of times a minute
the query is still said with the ORM, once, with a :class:`Slot` for each value to come:

    _BY_SLUG = PreparedQuery(lambda slots: Unit.objects.filter(slug=slots.text("slug")))
    _BY_SLUG.rows(slug="page")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import Expression
from django.db.models.query import get_related_populators

_Row = TypeVar("_Row")

MOST_SHAPES: Final = 50
"""Queries that are kept of one whose lists differ in length."""


class Slot(Expression):
    """Where a value will be, by name; of a list, by name and place."""

    def __init__(self, name: str, output_field: models.Field[Any, Any], place: int | None = None):
        super().__init__(output_field=output_field)
        self.name = name
        self.place = place

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:  # noqa: ARG002
        return "%s", (self,)

    def value_in(self, values: dict[str, Any], database: BaseDatabaseWrapper) -> Any:
        value = values[self.name] if self.place is None else values[self.name][self.place]
        return self.output_field.get_db_prep_value(value, database)


class Slots:
    """Makes the slots of one query, given how long its lists are."""

    def __init__(self, lengths: dict[str, int]) -> None:
        self._lengths = lengths

    def text(self, name: str) -> Slot:
        return Slot(name, models.TextField())

    def number(self, name: str) -> Slot:
        return Slot(name, models.BigIntegerField())

    def instant(self, name: str) -> Slot:
        return Slot(name, models.DateTimeField())

    def texts(self, name: str) -> list[Slot]:
        return [Slot(name, models.TextField(), n) for n in range(self._lengths[name])]


class PreparedQuery(Generic[_Row]):
    """A query over the default database. ``build`` makes it: model instances, related ones
    included, or ``values_list``; no annotations, no prefetching."""

    def __init__(self, build: Callable[[Slots], models.QuerySet[Any, _Row]]) -> None:
        self._build = build
        self._kept = threading.local()

    def rows(self, **values: Any) -> list[_Row]:
        """What the query finds with these values. Lists are for slots of several; none is empty.

        Queries the database every time: what is kept is the statement, never an answer.
        """
        lengths = {n: len(v) for n, v in values.items() if isinstance(v, list | tuple)}
        statement = self._statement(lengths)
        return statement.rows(values)

    def first(self, **values: Any) -> _Row | None:
        found = self.rows(**values)
        return found[0] if found else None

    def _statement(self, lengths: dict[str, int]) -> _Statement:
        # By thread, as connections are; a new connection object has its own way to read rows.
        kept: dict[Any, _Statement] = self._kept.__dict__
        shape = repr(sorted(lengths.items())) if lengths else ""
        found = kept.get(shape)
        if found is None or not found.is_of(_this_connection()):
            if len(kept) >= MOST_SHAPES:
                kept.clear()
            found = kept[shape] = _Statement(self._build(Slots(lengths)))
        return found


class _Statement:
    """A compiled query, and how its rows are read."""

    def __init__(self, queryset: models.QuerySet[Any, Any]) -> None:
        self._database = _this_connection()
        self._compiler = queryset.query.get_compiler(connection=self._database)
        self._sql, self._parameters = self._compiler.as_sql()
        select, info = self._compiler.select, self._compiler.klass_info
        self._models = not queryset.query.has_select_fields  # what values_list asks for
        if self._models:
            columns = info["select_fields"]
            self._model = info["model"]
            self._range = slice(columns[0], columns[-1] + 1)
            self._names = [column[0].target.attname for column in select[self._range]]
            self._related: list[Any] = _populators(info, select, self._database.alias)

    def is_of(self, database: BaseDatabaseWrapper) -> bool:
        return self._database is database

    def rows(self, values: dict[str, Any]) -> list[Any]:
        parameters = [
            part.value_in(values, self._database) if isinstance(part, Slot) else part
            for part in self._parameters
        ]
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(self._sql, parameters)
            found = cursor.fetchall()
        rows = self._compiler.results_iter([found], tuple_expected=not self._models)
        return [self._instance(row) for row in rows] if self._models else list(rows)

    def _instance(self, row: Sequence[Any]) -> models.Model:
        made = self._model.from_db(self._database.alias, self._names, row[self._range])
        for populator in self._related:
            populator.populate(row, made)
        return made  # type: ignore[no-any-return]


# Typed for the Django after ours, which gives it one more argument.
_populators: Final[Callable[..., list[Any]]] = get_related_populators


def _this_connection() -> BaseDatabaseWrapper:
    """The connection of this thread, without Django's proxy before it."""
    return connections[DEFAULT_DB_ALIAS]


def cursor_with_parameters_beside() -> CursorWrapper:
    """A cursor that sends parameters beside the statement. Django's default on PostgreSQL writes
    them into it, so that a batch would be escaped here and parsed there as one literal, and no
    statement would ever be the same twice, so that none could be prepared."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    from django.db.backends.postgresql.base import ServerBindingCursor

    connection.ensure_connection()
    plain: Any = ServerBindingCursor(connection.connection)  # type: ignore[call-arg]
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    return wrap(plain)
