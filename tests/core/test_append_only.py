"""What is written once stays, in Python and in the database."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models.signals import post_migrate

from agencyportal.core import append_only, append_only_triggers
from agencyportal.core.append_only import AppendOnlyError, lifted, protect
from agencyportal.core.management.commands.flush import Command as Flush
from tests.samples.models import Bill, BillLine, Price, Receipt


def sql(statement: str, *params: Any) -> None:
    """What somebody does past Python's guard. Undone when it is refused."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


@pytest.fixture
def receipt(db: None) -> Receipt:
    return Receipt.objects.create(amount=Decimal(10), note="first")


@pytest.fixture
def draft(db: None) -> Bill:
    bill = Bill.objects.create(amount=Decimal(10), details={"terms": "14 days"})
    BillLine.objects.create(bill=bill, amount=Decimal(10))
    return bill


@pytest.fixture
def bill(draft: Bill) -> Bill:
    draft.number, draft.state = "2026-1", "issued"
    draft.save()
    return draft


# --- In Python ---------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Receipt], object]] = {
    "save": lambda receipt: receipt.save(),
    "save of a field": lambda receipt: receipt.save(update_fields=["note"]),
    "update": lambda receipt: Receipt.objects.update(note="x"),
    "bulk update": lambda receipt: Receipt.objects.bulk_update([receipt], ["note"]),
    "delete": lambda receipt: receipt.delete(),
    "delete of many": lambda receipt: Receipt.objects.all().delete(),
    "update or create": lambda receipt: Receipt.objects.update_or_create(
        pk=receipt.pk, defaults={"note": "x"}
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_python_refuses_every_way_of_changing(receipt: Receipt, name: str):
    with (
        pytest.raises(AppendOnlyError, match=r"samples\.Receipt is append-only"),
        transaction.atomic(),
    ):
        CHANGES[name](receipt)
    assert list(Receipt.objects.values_list("amount", "note")) == [(Decimal(10), "first")]


def test_new_rows_are_written_by_every_way(db: None):
    Receipt(amount=Decimal(1)).save()
    Receipt.objects.create(amount=Decimal(2))
    Receipt.objects.bulk_create([Receipt(amount=Decimal(3))])
    copy = Receipt.objects.get(amount=3)
    copy.pk, copy._state.adding = None, True
    copy.save()
    assert Receipt.objects.count() == 4


def test_where_only_some_rows_are_protected_the_database_decides(draft: Bill, bill: Bill):
    refused = "samples_bill is append-only: only state may change"
    with pytest.raises(IntegrityError, match=refused), transaction.atomic():
        Bill.objects.update(amount=Decimal(11))
    bill.amount = Decimal(11)
    with pytest.raises(IntegrityError, match="only state"), transaction.atomic():
        bill.save()
    with pytest.raises(IntegrityError, match="cannot be deleted"), transaction.atomic():
        bill.delete()


# --- In the database ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE samples_receipt SET amount = amount + 1",
        "UPDATE samples_receipt SET note = 'other'",
        "UPDATE samples_receipt SET id = id + 1",
        "DELETE FROM samples_receipt",
        "INSERT INTO samples_receipt SELECT * FROM samples_receipt WHERE 1 = 1 "  # noqa: ISC004
        "ON CONFLICT (id) DO UPDATE SET amount = 5",
    ],
)
def test_the_database_refuses_whoever_asks(receipt: Receipt, statement: str):
    with pytest.raises(IntegrityError, match="samples_receipt is append-only"):
        sql(statement)
    assert Receipt.objects.get().amount == 10


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_replacing_a_row_is_refused(receipt: Receipt):
    with pytest.raises(IntegrityError, match="rows cannot be deleted"):
        sql("INSERT OR REPLACE INTO samples_receipt VALUES (%s, 5, 'x')", receipt.pk)


def test_writing_what_is_there_already_changes_nothing(receipt: Receipt, bill: Bill):
    sql("UPDATE samples_receipt SET amount = amount, note = 'first'")
    bill.state = "paid"
    bill.save()  # writes every column
    assert Bill.objects.get().state == "paid"


def test_a_draft_is_free_and_an_issued_one_is_not(draft: Bill):
    sql("UPDATE samples_bill SET amount = 5")
    sql("UPDATE samples_bill SET number = '2026-1', state = 'issued'")
    sql("UPDATE samples_bill SET state = 'paid'")
    for column in ("amount = 6", "number = NULL", "number = '2026-2'", "details = '{}'"):
        with pytest.raises(IntegrityError, match="only state may change"):
            sql(f"UPDATE samples_bill SET {column}")  # noqa: S608
    with pytest.raises(IntegrityError, match="cannot be deleted"):
        sql("DELETE FROM samples_bill")


def test_what_is_sealed_takes_no_more_rows(draft: Bill):
    BillLine.objects.create(bill=draft, amount=Decimal(1))
    BillLine.objects.filter(amount=1).delete()
    Bill.objects.update(number="2026-1")
    with pytest.raises(IntegrityError, match="nothing can be added"), transaction.atomic():
        BillLine.objects.create(bill=draft, amount=Decimal(1))
    with pytest.raises(IntegrityError, match="rows cannot be changed"):
        sql("UPDATE samples_billline SET amount = 1")
    with pytest.raises(IntegrityError, match="rows cannot be deleted"):
        sql("DELETE FROM samples_billline")
    other = Bill.objects.create()
    BillLine.objects.create(bill=other, amount=Decimal(1))


# --- Lifting -----------------------------------------------------------------------------------


def test_lifting_frees_python_and_the_database_for_the_block(receipt: Receipt, bill: Bill):
    with lifted(reason="erasure asked for by law"):
        Receipt.objects.update(note="")
        receipt.amount = Decimal(3)
        receipt.save()
        sql("UPDATE samples_bill SET amount = 1")
        BillLine.objects.all().delete()
        bill.delete()
    assert list(Receipt.objects.values_list("amount", "note")) == [(Decimal(3), "first")]
    with pytest.raises(AppendOnlyError):
        Receipt.objects.all().delete()
    with pytest.raises(IntegrityError):
        sql("DELETE FROM samples_receipt")


def test_lifting_ends_with_the_outer_block(receipt: Receipt):
    with lifted(reason="outer"):
        with lifted(reason="inner"):
            sql("UPDATE samples_receipt SET note = 'a'")
        sql("UPDATE samples_receipt SET note = 'b'")
    with pytest.raises(IntegrityError):
        sql("UPDATE samples_receipt SET note = 'c'")


def test_lifting_ends_when_the_block_fails(receipt: Receipt):
    def fail() -> None:
        Receipt.objects.update(note="x")
        raise LookupError

    with pytest.raises(LookupError), lifted(reason="will fail"):
        fail()
    assert Receipt.objects.get().note == "first"
    assert not append_only.is_lifted()
    with pytest.raises(IntegrityError):
        sql("UPDATE samples_receipt SET note = 'c'")


def test_lifting_wants_a_reason_and_logs_it(db: None, caplog: pytest.LogCaptureFixture):
    with pytest.raises(ValueError, match="Say why"), lifted(reason=" "):
        pass
    with caplog.at_level("WARNING"), lifted(reason="erasure 17"):
        pass
    assert "erasure 17" in caplog.text


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_lifting_binds_others_meanwhile():
    receipt = Receipt.objects.create(amount=Decimal(1))
    other = connections.create_connection("default")
    try:
        with lifted(reason="mine alone"), other.cursor() as cursor:
            with pytest.raises(IntegrityError, match="append-only"):
                cursor.execute("UPDATE samples_receipt SET amount = 2")
            Receipt.objects.filter(pk=receipt.pk).update(amount=3)
    finally:
        other.close()
    assert Receipt.objects.get().amount == 3


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_the_tables_and_leaves_the_guard():
    Receipt.objects.create(amount=Decimal(1))
    call_command(Flush(), interactive=False, verbosity=0)
    assert not Receipt.objects.exists()
    Receipt.objects.create(amount=Decimal(1))
    with pytest.raises(IntegrityError):
        sql("DELETE FROM samples_receipt")


# --- Installing --------------------------------------------------------------------------------


def test_what_is_declared_is_installed(db: None):
    assert append_only_triggers.differences() == []
    tables = {trigger.table for trigger in append_only_triggers.installed(connection)}
    declared = {p.model._meta.db_table for p in append_only.protections()}
    assert {"samples_receipt", "samples_bill", "samples_billline"} <= tables == declared


def _one_of(table: str) -> append_only_triggers.Trigger:
    found = append_only_triggers.installed(connection)
    return min((t for t in found if t.table == table), key=lambda trigger: trigger.name)


def _drop(trigger: append_only_triggers.Trigger) -> None:
    on = f' ON "{trigger.table}"' if connection.vendor == "postgresql" else ""
    sql(f'DROP TRIGGER "{trigger.name}"{on}')


def test_a_missing_trigger_is_reported_and_put_back(db: None):
    trigger = _one_of("samples_receipt")
    _drop(trigger)
    assert append_only_triggers.differences() == [
        f"Trigger {trigger.name} is missing on samples_receipt."
    ]
    append_only_triggers.install()
    assert append_only_triggers.differences() == []


def test_every_migrate_puts_missing_triggers_back(db: None):
    _drop(_one_of("samples_receipt"))
    for config in apps.get_app_configs():
        if config.models_module:
            post_migrate.send(
                sender=config,
                app_config=config,
                verbosity=0,
                interactive=False,
                using="default",
                plan=[],
                apps=apps,
            )
    assert append_only_triggers.differences() == []


def test_a_changed_declaration_is_reported_and_installed(db: None, monkeypatch):
    looser = append_only.Protection(label="samples.Receipt", mutable=frozenset({"note"}))
    monkeypatch.setitem(append_only._protections, "samples.receipt", looser)
    assert any("is not the declared one" in line for line in append_only_triggers.differences())
    append_only_triggers.install()
    receipt = Receipt.objects.create(amount=Decimal(1))
    receipt.note = "amended"
    receipt.save()
    with pytest.raises(AppendOnlyError):
        receipt.save(update_fields=["amount"])
    with pytest.raises(IntegrityError, match="only note may change"):
        sql("UPDATE samples_receipt SET amount = 2")


def test_a_declaration_withdrawn_takes_its_triggers_along(db: None, monkeypatch):
    monkeypatch.delitem(append_only._protections, "samples.receipt")
    assert any("declared nowhere" in line for line in append_only_triggers.differences())
    append_only_triggers.install()
    assert append_only_triggers.differences() == []
    Receipt.objects.create(amount=Decimal(1))
    sql("DELETE FROM samples_receipt")


@pytest.mark.postgres
def test_a_disabled_trigger_counts_as_missing(db: None):
    sql("ALTER TABLE samples_receipt DISABLE TRIGGER append_only_samples_receipt")
    assert append_only_triggers.differences() == [
        "Trigger append_only_samples_receipt is missing on samples_receipt."
    ]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
@pytest.mark.django_db(transaction=True)
def test_a_rebuilt_table_gets_its_triggers_back():
    """SQLite alters a table by making another one; nothing else may stop that."""
    append_only_triggers.before_migrate(using="default", plan=["a migration"])
    with connection.schema_editor() as editor:
        editor._remake_table(Bill)  # type: ignore[attr-defined]
    assert append_only_triggers.installed(connection) == set()
    append_only_triggers.install()
    assert append_only_triggers.differences() == []


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        ("samples.Nothing", {}, "Cannot protect"),
        ("samples.Receipt", {"mutable": ["colour"]}, "no field colour"),
        ("samples.Receipt", {"mutable": ["note"]}, "declared append-only twice"),
    ],
)
def test_a_wrong_declaration_is_refused(label: str, options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        protect(label, **options)


def test_other_models_are_free(db: None):
    assert append_only.protection_of(Price) is None
    append_only.check_update(Price, ["amount"], "default")
    append_only.check_delete(Price, "default")
