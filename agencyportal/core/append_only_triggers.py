"""The triggers behind ``core.append_only``, for SQLite and PostgreSQL.

They are not part of migrations: SQLite rebuilds a table to alter it, and drops its triggers in
silence. So they are declared in code and put back after every migrate, where they differ.
``differences()`` says what the database has otherwise than declared.

TRUNCATE is not covered on PostgreSQL: it takes the table's owner, who can drop triggers too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed_apps
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from agencyportal.core.append_only import LIFT_SETTING, LIFT_TABLE, Protection, protections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.apps import AppConfig
    from django.db.backends.base.base import BaseDatabaseWrapper

_PREFIX = "append_only_"
_IDENTIFIER_LIMIT = 63


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger as it should be. ``body`` is compared with what the database has."""

    name: str
    table: str
    body: str
    events: int = 0
    """PostgreSQL's ``pg_trigger.tgtype``."""


def _name(table: str, suffix: str = "") -> str:
    name = f"{_PREFIX}{table}{suffix}"
    if len(name) > _IDENTIFIER_LIMIT:
        raise ValueError(f"The table name {table} is too long for a trigger of its own.")
    return name


def _fixed_columns(protection: Protection, existing: set[str]) -> list[str]:
    """Columns that may not change; those not there yet (in mid-migration) are left out."""
    columns = [field.column for field in protection.fixed_fields()]
    return [column for column in columns if column in existing]


def _update_message(protection: Protection, table: str) -> str:
    if protection.mutable:
        allowed = ", ".join(sorted(protection.mutable))
        return f"{table} is append-only: only {allowed} may change"
    return f"{table} is append-only: rows cannot be changed"


# --- SQLite ------------------------------------------------------------------------------------


def _sqlite_triggers(protection: Protection, table: str, existing: set[str]) -> list[Trigger]:
    bound = f"NOT EXISTS (SELECT 1 FROM {LIFT_TABLE})"  # noqa: S608
    condition = f"({protection.when}) AND {bound}" if protection.when else bound
    changed = " OR ".join(
        f'OLD."{column}" IS NOT NEW."{column}"' for column in _fixed_columns(protection, existing)
    )
    rules = [("update", f"({changed}) AND {condition}", _update_message(protection, table))]
    if protection.delete:
        rules.append(("delete", condition, f"{table} is append-only: rows cannot be deleted"))
    if protection.sealed:
        sealed = f"({protection.sealed}) AND {bound}"
        rules.append(("insert", sealed, f"{table} is append-only: nothing can be added"))
    return [_sqlite_trigger(table, event, when, message) for event, when, message in rules]


def _sqlite_trigger(table: str, event: str, when: str, message: str) -> Trigger:
    name = _name(table, f"_{event}")
    body = (
        f'CREATE TRIGGER "{name}" BEFORE {event.upper()} ON "{table}" FOR EACH ROW\n'
        f"WHEN {when}\n"
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
    return Trigger(name=name, table=table, body=body)


def _sqlite_installed(cursor: Any) -> set[Trigger]:
    cursor.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB %s",
        [f"{_PREFIX}*"],
    )
    return {Trigger(name=name, table=table, body=sql) for name, table, sql in cursor.fetchall()}


def _sqlite_create(cursor: Any, trigger: Trigger) -> None:
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {LIFT_TABLE} (reason TEXT NOT NULL)")
    cursor.execute(trigger.body)


def _sqlite_drop(cursor: Any, trigger: Trigger) -> None:
    cursor.execute(f'DROP TRIGGER IF EXISTS "{trigger.name}"')


# --- PostgreSQL --------------------------------------------------------------------------------

# pg_trigger.tgtype: for each row, before, insert, delete, update.
_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE = 1, 2, 4, 8, 16


def _postgres_triggers(protection: Protection, table: str, existing: set[str]) -> list[Trigger]:
    changed = " OR ".join(
        f'OLD."{column}" IS DISTINCT FROM NEW."{column}"'
        for column in _fixed_columns(protection, existing)
    )
    when = f" AND ({protection.when})" if protection.when else ""
    rules = [("UPDATE", f"({changed}){when}", _update_message(protection, table))]
    events = _ROW | _BEFORE | _UPDATE
    if protection.delete:
        events |= _DELETE
        message = f"{table} is append-only: rows cannot be deleted"
        rules.append(("DELETE", protection.when or "true", message))
    if protection.sealed:
        events |= _INSERT
        message = f"{table} is append-only: nothing can be added"
        rules.append(("INSERT", protection.sealed, message))
    # Nested, not joined by AND: an expression may only name OLD or NEW where the event has them.
    checks = "\n".join(
        f"    IF TG_OP = '{event}' THEN IF {condition} THEN RAISE EXCEPTION '{message}'"
        f" USING ERRCODE = 'integrity_constraint_violation'; END IF; END IF;"
        for event, condition, message in rules
    )
    body = (
        f"\nBEGIN\n"
        f"  IF current_setting('{LIFT_SETTING}', true) IS DISTINCT FROM 'off' THEN\n"
        f"{checks}\n"
        f"  END IF;\n"
        f"  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\n"
        f"  RETURN NEW;\n"
        f"END;\n"
    )
    return [Trigger(name=_name(table), table=table, body=body, events=events)]


def _postgres_installed(cursor: Any) -> set[Trigger]:
    cursor.execute(
        """
        SELECT t.tgname, c.relname, p.prosrc, t.tgtype
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE starts_with(t.tgname, %s) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
          AND pg_table_is_visible(c.oid)
        """,
        [_PREFIX],
    )
    return {Trigger(*row) for row in cursor.fetchall()}


def _postgres_create(cursor: Any, trigger: Trigger) -> None:
    words = {_INSERT: "INSERT", _DELETE: "DELETE", _UPDATE: "UPDATE"}
    events = " OR ".join(word for bit, word in words.items() if trigger.events & bit)
    cursor.execute(
        f'CREATE OR REPLACE FUNCTION "{trigger.name}"() RETURNS trigger '
        f"LANGUAGE plpgsql AS $append_only${trigger.body}$append_only$"
    )
    cursor.execute(
        f'CREATE TRIGGER "{trigger.name}" BEFORE {events} ON "{trigger.table}" '
        f'FOR EACH ROW EXECUTE FUNCTION "{trigger.name}"()'
    )


def _postgres_drop(cursor: Any, trigger: Trigger) -> None:
    cursor.execute(f'DROP TRIGGER IF EXISTS "{trigger.name}" ON "{trigger.table}"')
    cursor.execute(f'DROP FUNCTION IF EXISTS "{trigger.name}"()')


# --- Installing --------------------------------------------------------------------------------

_VENDORS: dict[str, tuple[Any, Any, Any, Any]] = {
    "sqlite": (_sqlite_triggers, _sqlite_installed, _sqlite_create, _sqlite_drop),
    "postgresql": (_postgres_triggers, _postgres_installed, _postgres_create, _postgres_drop),
}


def declared(connection: BaseDatabaseWrapper) -> set[Trigger]:
    """The triggers that the declarations ask for, of the tables that exist."""
    build = _VENDORS[connection.vendor][0]
    triggers: set[Trigger] = set()
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for protection in protections():
            table = protection.model._meta.db_table
            if table in tables:
                triggers.update(build(protection, table, _columns(cursor, table)))
    return triggers


def _columns(cursor: Any, table: str) -> set[str]:
    """Names alone: to tell more, Django takes the table's whole SQL apart on SQLite."""
    cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')  # noqa: S608
    return {column[0] for column in cursor.description}


def installed(connection: BaseDatabaseWrapper) -> set[Trigger]:
    """The append-only triggers that the database has and obeys."""
    with connection.cursor() as cursor:
        found: set[Trigger] = _VENDORS[connection.vendor][1](cursor)
    return found


def install(using: str = DEFAULT_DB_ALIAS) -> None:
    """Make the database's triggers those that are declared, in one transaction.

    Touches, and on PostgreSQL locks, only tables whose triggers differ.
    """
    connection = connections[using]
    *_, create, drop = _VENDORS[connection.vendor]
    with transaction.atomic(using=using):
        wanted, present = declared(connection), installed(connection)
        with connection.cursor() as cursor:
            for trigger in _sorted((present - wanted) | (wanted - present)):
                drop(cursor, trigger)
            for trigger in _sorted(wanted - present):
                create(cursor, trigger)


def differences(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """What the database guards otherwise than declared, a sentence each; empty when all is well.

    Run ``manage.py migrate`` to put it right.
    """
    connection = connections[using]
    wanted = {trigger.name: trigger for trigger in declared(connection)}
    present = {trigger.name: trigger for trigger in installed(connection)}
    found = []
    for name in sorted(wanted.keys() | present.keys()):
        if name not in present:
            found.append(f"Trigger {name} is missing on {wanted[name].table}.")
        elif name not in wanted:
            found.append(f"Trigger {name} on {present[name].table} is declared nowhere.")
        elif wanted[name] != present[name]:
            found.append(f"Trigger {name} on {wanted[name].table} is not the declared one.")
    return found


def _sorted(triggers: Iterable[Trigger]) -> list[Trigger]:
    return sorted(triggers, key=lambda trigger: trigger.name)


def before_migrate(*, using: str, plan: list[Any], **_signal: Any) -> None:
    """On SQLite, take the triggers away while tables are rebuilt under them.

    A condition over another table would otherwise stop that table's rebuild. Sent once per app;
    the first time does it.
    """
    connection = connections[using]
    if plan and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for trigger in installed(connection):
                _sqlite_drop(cursor, trigger)


def after_migrate(*, sender: AppConfig, using: str, **_signal: Any) -> None:
    """Put the triggers back; once per migrate, when the last app reports."""
    reporting = [config for config in installed_apps.get_app_configs() if config.models_module]
    if reporting and sender.label == reporting[-1].label:
        install(using)
