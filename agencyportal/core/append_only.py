"""What is written once: rows that nobody may change or delete, in Python and in the database.

An app declares its append-only models in its ``append_only`` module, one line each:

    protect("billing.Invoice", mutable=("state", "amount_paid"), when="OLD.number IS NOT NULL")

``core.append_only_triggers`` puts the declarations into the database after every migrate. Python
refuses earlier and in clearer words where the declaration allows no exception. Corrections are
new rows; what must be lifted (a flush of a test database, an erasure demanded by law) is lifted
with :func:`lifted`, for one transaction, with a reason that is logged.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, models, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_M = TypeVar("_M", bound=models.Model, covariant=True)
_logger = logging.getLogger(__name__)

LIFT_TABLE = "portal_append_only_lift"
"""SQLite only. A row in it, visible to its own transaction alone, lifts the triggers."""

LIFT_SETTING = "portal.append_only"
"""PostgreSQL only. ``off`` for the length of a transaction lifts the triggers."""


class AppendOnlyError(IntegrityError):
    """Something append-only was about to be changed or deleted. Write a correcting row instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is append-only about one model.

    ``mutable`` names the fields that may change; all others, and those added later, may not.
    ``when`` limits the protection to some rows, and ``sealed`` forbids new ones: SQL conditions
    that both databases understand, over ``OLD`` and ``NEW``. Columns are named as in the database.
    """

    label: str
    mutable: frozenset[str] = frozenset()
    delete: bool = True
    when: str | None = None
    sealed: str | None = None

    @property
    def model(self) -> type[models.Model]:
        return apps.get_model(self.label)

    def fixed_fields(self) -> list[models.Field[Any, Any]]:
        """The stored fields that may not change, in the model's order."""
        fields = self.model._meta.local_concrete_fields
        return [f for f in fields if f.name not in self.mutable and not f.generated]


_protections: dict[str, Protection] = {}


def protect(
    label: str,
    *,
    mutable: Iterable[str] = (),
    delete: bool = True,
    when: str | None = None,
    sealed: str | None = None,
) -> None:
    """Declare the model ``label`` append-only; see :class:`Protection`.

    ``delete=False`` leaves rows deletable. Raises ValueError for a model or field that does not
    exist, and for a second declaration of the same model that differs from the first.
    """
    protection = Protection(
        label=label, mutable=frozenset(mutable), delete=delete, when=when, sealed=sealed
    )
    try:
        names = {field.name for field in protection.model._meta.local_concrete_fields}
    except LookupError as error:
        raise ValueError(f"Cannot protect {label}: {error}") from None
    if unknown := protection.mutable - names:
        raise ValueError(f"{label} has no field {', '.join(sorted(unknown))}.")
    if _protections.setdefault(protection.model._meta.label_lower, protection) != protection:
        raise ValueError(f"{label} is declared append-only twice, differently.")


def protections() -> list[Protection]:
    """Every declaration, by label."""
    return [_protections[label] for label in sorted(_protections)]


def protection_of(model: type[models.Model]) -> Protection | None:
    """The declaration that covers ``model``, proxies included; None when it may change."""
    concrete = model._meta.concrete_model or model
    return _protections.get(concrete._meta.label_lower)


# --- Lifting -----------------------------------------------------------------------------------

_lifted_on: ContextVar[frozenset[str]] = ContextVar("append_only_lifted_on", default=frozenset())


@contextmanager
def lifted(*, reason: str, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Allow changing what is append-only, inside this block and this transaction only.

    Opens a transaction (a savepoint inside another). Other connections stay bound; on SQLite they
    cannot write meanwhile anyway. ``reason`` goes to the log at level warning.
    """
    if not reason.strip():
        raise ValueError("Say why append-only rows may be changed.")
    _logger.warning("append-only protection lifted: %s", reason)
    token = _lifted_on.set(_lifted_on.get() | {using})
    try:
        with transaction.atomic(using=using), _lifted_in_database(reason, using):
            yield
    finally:
        _lifted_on.reset(token)


@contextmanager
def _lifted_in_database(reason: str, using: str) -> Iterator[None]:
    """When the block raises, rolling back undoes what is done here, so no ``finally``."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting(%s, true)", [LIFT_SETTING])
            before = cursor.fetchone()[0] or ""
            cursor.execute("SELECT set_config(%s, 'off', true)", [LIFT_SETTING])
            yield
            cursor.execute("SELECT set_config(%s, %s, true)", [LIFT_SETTING, before])
        else:
            # Only in the way of databases that were never migrated, where nothing is protected.
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {LIFT_TABLE} (reason TEXT NOT NULL)")
            cursor.execute(f"INSERT INTO {LIFT_TABLE} VALUES (%s)", [reason])  # noqa: S608
            row = cursor.lastrowid
            yield
            cursor.execute(f"DELETE FROM {LIFT_TABLE} WHERE rowid = %s", [row])  # noqa: S608


def is_lifted(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether this thread of execution is inside :func:`lifted`."""
    return using in _lifted_on.get()


# --- The guard in Python -----------------------------------------------------------------------


def _refuse(protection: Protection, what: str) -> NoReturn:
    raise AppendOnlyError(
        f"{protection.label} is append-only: {what}. Correct it by writing a new row."
    )


def check_update(model: type[models.Model], names: Iterable[str], using: str) -> None:
    """Raise AppendOnlyError when one of the fields ``names`` may never change.

    Where only some rows are protected the database decides.
    """
    protection = protection_of(model)
    if protection is None or protection.when is not None or is_lifted(using):
        return
    fixed = {name for f in protection.fixed_fields() for name in (f.name, f.attname)}
    if refused := sorted(fixed.intersection(names)):
        _refuse(protection, f"{', '.join(refused)} cannot be changed")


def check_delete(model: type[models.Model], using: str) -> None:
    """Raise AppendOnlyError when rows of ``model`` may never be deleted."""
    protection = protection_of(model)
    if protection is None or protection.when is not None or is_lifted(using):
        return
    if protection.delete:
        _refuse(protection, "rows cannot be deleted")


class GuardedQuerySet(models.QuerySet[_M]):
    """Refuses bulk changes of what is append-only before they reach the database."""

    def update(self, **kwargs: Any) -> int:
        check_update(self.model, kwargs, self.db)
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        check_delete(self.model, self.db)
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class AppendOnlyModel(models.Model):
    """A model that its app declares with :func:`protect`.

    Saving an existing row raises AppendOnlyError unless every field that is written may change.
    """

    class Meta:
        abstract = True

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding and not kwargs.get("force_insert"):
            self._check_save(kwargs.get("update_fields"), kwargs.get("using") or self._state.db)
        super().save_base(*args, **kwargs)

    def _check_save(self, update_fields: Iterable[str] | None, using: str | None) -> None:
        """A save of all fields is refused only where none may change: the database compares."""
        protection = protection_of(type(self))
        if update_fields is None and protection is not None and protection.mutable:
            return
        if update_fields is None:
            update_fields = [field.name for field in self._meta.local_concrete_fields]
        check_update(type(self), update_fields, using or DEFAULT_DB_ALIAS)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        check_delete(type(self), kwargs.get("using") or self._state.db or DEFAULT_DB_ALIAS)
        return super().delete(*args, **kwargs)

    delete.alters_data = True  # type: ignore[attr-defined]
