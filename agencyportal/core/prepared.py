"""Queries that are put together once and run with other values each time.

The ORM needs a millisecond or two to put a statement together, several times what running it
takes, and PostgreSQL plans it anew each time. Where a call is answered thousands of times a minute
the query is still said with the ORM, once, with a :class:`Slot` for each value to come:

    _BY_SLUG = PreparedQuery(lambda slots: Unit.objects.filter(slug=slots.text("slug")))
    _BY_SLUG.rows(slug="page")

What is written so often is said the same way, with :class:`PreparedUpdate` and
:class:`PreparedInsert`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import Expression
from django.db.models.query import get_related_populators
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.transaction import TransactionManagementError

from agencyportal.core.append_only import check_update

_Row = TypeVar("_Row")
_M = TypeVar("_M", bound=models.Model)

MOST_SHAPES: Final = 50
"""Queries that are kept of one whose lists differ in length."""


class Slot(Expression):
    """Where a value will be, by name; of a list, by name and place."""

    def __init__(self, name: str, output_field: models.Field[Any, Any], place: int | None = None):
        super().__init__(output_field=output_field)
        self.name = name
        self.place = place
        self._field = output_field

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:  # noqa: ARG002
        return "%s", (self,)

    def value_in(self, values: Mapping[str, Any], database: BaseDatabaseWrapper) -> Any:
        value = values[self.name] if self.place is None else values[self.name][self.place]
        return self._field.get_db_prep_value(value, database)


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

    def like(self, field: type[models.Field[Any, Any]], name: str) -> Slot:
        """A value of a field's kind, as of the exact numbers."""
        return Slot(name, field())

    def texts(self, name: str) -> list[Slot]:
        return [Slot(name, models.TextField(), n) for n in range(self._lengths[name])]


class _Compiled(Protocol):
    """A statement that was put together for one connection."""

    database: BaseDatabaseWrapper


_Statement = TypeVar("_Statement", bound=_Compiled)


class _Kept(threading.local, Generic[_Statement]):
    """Statements by the lengths of their lists. By thread, as connections are; a new connection
    object has its own way to read and write values."""

    def __init__(self, compiled: Callable[[Slots], _Statement]) -> None:
        self._compiled = compiled
        self._statements: dict[str, _Statement] = {}

    def of(self, values: Mapping[str, Any]) -> _Statement:
        lengths = {n: len(v) for n, v in values.items() if isinstance(v, list | tuple)}
        shape = repr(sorted(lengths.items())) if lengths else ""
        found = self._statements.get(shape)
        if found is None or found.database is not _this_connection():
            if len(self._statements) >= MOST_SHAPES:
                self._statements.clear()
            found = self._statements[shape] = self._compiled(Slots(lengths))
        return found


class PreparedQuery(Generic[_Row]):
    """A query over the default database. ``build`` makes it: model instances, related ones
    included, or ``values_list``; no annotations, no prefetching."""

    def __init__(self, build: Callable[[Slots], models.QuerySet[Any, _Row]]) -> None:
        self._kept = _Kept(lambda slots: _Query(build(slots)))

    def rows(self, **values: Any) -> list[_Row]:
        """What the query finds with these values. Lists are for slots of several; none is empty.

        Queries the database every time: what is kept is the statement, never an answer. Raises
        TransactionManagementError for one that locks, outside a transaction.
        """
        return self._kept.of(values).rows(values)

    def first(self, **values: Any) -> _Row | None:
        found = self.rows(**values)
        return found[0] if found else None


class PreparedUpdate:
    """``update()`` of rows of the default database. ``build`` says which, and what is set."""

    def __init__(
        self, build: Callable[[Slots], tuple[models.QuerySet[Any], Mapping[str, Any]]]
    ) -> None:
        self._kept = _Kept(lambda slots: _Update(*build(slots)))

    def run(self, **values: Any) -> int:
        """How many rows were changed with these values."""
        return self._kept.of(values).run(values)


class PreparedInsert(Generic[_M]):
    """``save(force_insert=True)`` of many, one after the other, without signals."""

    def __init__(self, model: type[_M]) -> None:
        self._kept = _Kept(lambda _slots: _Insert(model))

    def insert(self, instance: _M) -> _M:
        """Store a new row; the instance, with its key."""
        self._kept.of({}).run(instance)
        return instance


class _Query:
    """A compiled query, and how its rows are read."""

    def __init__(self, queryset: models.QuerySet[Any, Any]) -> None:
        self.database = _this_connection()
        self._compiler = queryset.query.get_compiler(connection=self.database)
        self._sql, self._parameters = self._compiler.as_sql()
        self._locks = queryset.query.select_for_update
        select, info = self._compiler.select, self._compiler.klass_info
        shown = [column[0] for column in select[: self._compiler.col_count]]
        self._converters = self._compiler.get_converters(shown)
        self._models = not queryset.query.has_select_fields  # what values_list asks for
        if self._models:
            columns = info["select_fields"]
            self._model = info["model"]
            self._range = slice(columns[0], columns[-1] + 1)
            self._names = [column[0].target.attname for column in select[self._range]]
            self._related: list[Any] = _populators(info, select, self.database.alias)

    def rows(self, values: Mapping[str, Any]) -> list[Any]:
        if self._locks and not self.database.in_atomic_block:
            raise TransactionManagementError("Rows can only be locked inside a transaction.")
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(self._sql, _filled(self._parameters, values, self.database))
            rows: Any = cursor.fetchall()
        if self._converters:
            rows = self._compiler.apply_converters(rows, self._converters)
        return [self._instance(row) for row in rows] if self._models else list(map(tuple, rows))

    def _instance(self, row: Sequence[Any]) -> models.Model:
        made = self._model.from_db(self.database.alias, self._names, row[self._range])
        for populator in self._related:
            populator.populate(row, made)
        return made  # type: ignore[no-any-return]


class _Update:
    def __init__(self, queryset: models.QuerySet[Any], values: Mapping[str, Any]) -> None:
        self.database = _this_connection()
        check_update(queryset.model, values, self.database.alias)
        update: Any = queryset.order_by().query.chain(UpdateQuery)
        update.add_update_values(values)
        self._sql, self._parameters = update.get_compiler(connection=self.database).as_sql()

    def run(self, values: Mapping[str, Any]) -> int:
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(self._sql, _filled(self._parameters, values, self.database))
            changed: int = cursor.rowcount
            return changed


class _Insert:
    def __init__(self, model: type[models.Model]) -> None:
        self.database = _this_connection()
        key = model._meta.pk
        self._fields = [f for f in model._meta.local_concrete_fields if f is not key]
        blank = model(**{f.attname: Slot(f.attname, f) for f in self._fields})
        query = InsertQuery(model)
        query.insert_values(self._fields, [blank], raw=True)
        compiler: Any = query.get_compiler(connection=self.database)
        compiler.returning_fields = [key]
        ((self._sql, self._parameters),) = compiler.as_sql()

    def run(self, instance: models.Model) -> None:
        values = {f.attname: f.pre_save(instance, add=True) for f in self._fields}
        with cursor_with_parameters_beside() as cursor:
            cursor.execute(self._sql, _filled(self._parameters, values, self.database))
            (instance.pk,) = cursor.fetchone()
        instance._state.adding = False
        instance._state.db = self.database.alias


def _filled(
    parameters: Iterable[Any], values: Mapping[str, Any], database: BaseDatabaseWrapper
) -> list[Any]:
    return [
        part.value_in(values, database) if isinstance(part, Slot) else part for part in parameters
    ]


# Typed for the Django after ours, which gives it one more argument.
_populators: Final[Callable[..., list[Any]]] = get_related_populators


def _this_connection() -> BaseDatabaseWrapper:
    """The connection of this thread, without Django's proxy before it."""
    return connections[DEFAULT_DB_ALIAS]


def cursor_with_parameters_beside() -> CursorWrapper:
    """A cursor that sends parameters beside the statement. Django's default on PostgreSQL writes
    them into it, so that a batch would be escaped here and parsed there as one literal, and no
    statement would ever be the same twice, so that none could be prepared."""
    database = _this_connection()
    if database.vendor != "postgresql":
        return database.cursor()
    from django.db.backends.postgresql.base import ServerBindingCursor

    database.ensure_connection()
    plain: Any = ServerBindingCursor(database.connection)  # type: ignore[call-arg]
    wrap = database.make_debug_cursor if database.queries_logged else database.make_cursor
    return wrap(plain)
