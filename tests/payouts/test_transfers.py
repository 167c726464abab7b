"""Bank accounts and bank files: numbers that can be true, a time to wait, nothing paid twice."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.models import Mail
from billing.refusals import RefusedError
from clients.models import Agency, User
from payouts.bank_details import BankDetails, BankDetailsError, checked, masked
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.models import Payout, Transfer
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope
from payouts.reconcile.transfers import check_transfers
from payouts.selectors.review import blockers_of
from payouts.services.bank_accounts import (
    HELD_FOR,
    account_of,
    add_bank_account,
    stop_bank_account,
)
from payouts.services.lifecycle import (
    approve_payout,
    mark_failed,
    mark_paid,
    withdraw_approval,
)
from payouts.services.payouts import build_payouts
from payouts.services.transfers import bank_file_lines, make_bank_file

from .accounts import IBAN, give_account
from .test_payouts import FEBRUARY_ENDS, earn, february

D = Decimal
NOW = FEBRUARY_ENDS
FEBRUARY = dt.date(2026, 2, 1)
SWISS = "CH9300762011623852957"


@pytest.fixture
def payout(northwind: Agency) -> Payout:
    earn(northwind, "514.02", february(20))
    [made] = build_payouts(now=NOW)
    return made


def approved(payout: Payout, by: User, key: str = "a", now: dt.datetime = NOW) -> None:
    approve_payout(payout=payout, approved_by=by, now=now, key=key)


def differences() -> list[str]:
    return [str(f) for f in check_transfers(Scope()) if isinstance(f, Difference)]


@pytest.mark.parametrize(
    ("given", "kept", "shown"),
    [
        (
            {"iban": "de89 3704 0044 0532 0130 00", "bic": "cobadeff"},
            BankDetails(country="DE", iban=IBAN, bic="COBADEFF"),
            "DE** **** 3000",
        ),
        (
            {"country": "us", "account_number": "0001 2345 6789", "routing_number": "111000025"},
            BankDetails(country="US", account_number="000123456789", routing_number="111000025"),
            "US** **** 6789",
        ),
    ],
)
def test_details_are_kept_without_spaces_and_shown_by_their_last_digits(given, kept, shown):
    details = checked(BankDetails(**({"country": ""} | given)))
    assert details == kept
    assert masked(details) == shown


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"iban": "DE89370400440532013001"}, "iban"),
        ({"iban": IBAN, "bic": "COBADE"}, "bic"),
        ({"iban": IBAN, "bic": "BNPAFRPP"}, "bic"),
        ({"iban": IBAN, "account_number": "123456"}, "account_number"),
        ({}, "iban"),
        ({"account_number": "1234", "country": "US"}, "account_number"),
        ({"account_number": "123456", "country": "U1"}, "country"),
        (
            {"account_number": "123456", "country": "US", "routing_number": "111000024"},
            "routing_number",
        ),
    ],
)
def test_details_that_cannot_be_true_name_their_field(given, field):
    with pytest.raises(BankDetailsError) as refused:
        checked(BankDetails(**({"country": ""} | given)))
    assert refused.value.field == field


def test_a_new_account_waits_and_the_owners_are_told_and_can_stop_it(northwind, owner):
    old = give_account(northwind)
    new = add_bank_account(
        agency=northwind,
        holder="Somebody",
        details=BankDetails(country="", iban=SWISS),
        added_by=owner,
        now=NOW,
    )
    assert account_of(agency=northwind, at=NOW + HELD_FOR - dt.timedelta(seconds=1)) == old
    assert account_of(agency=northwind, at=NOW + HELD_FOR) == new
    mail = Mail.objects.get(key=f"bank-account:{new.pk}:added")
    assert mail.recipients == [owner.email]
    assert "CH** **** 2957" in mail.body_text
    assert SWISS not in mail.body_text

    stop_bank_account(account=new, stopped_by=owner, now=NOW)
    assert account_of(agency=northwind, at=NOW + HELD_FOR) == old
    assert "DE** **** 3000 is paid to." in Mail.objects.get(key__endswith=":stopped").body_text


def test_a_payout_without_an_account_is_blocked_and_so_is_one_whose_account_waits(
    payout, northwind
):
    assert [b.name for b in blockers_of(payout, now=NOW)] == ["no_account"]
    add_bank_account(
        agency=northwind,
        holder="Northwind",
        details=BankDetails(country="", iban=IBAN),
        added_by=None,
        now=NOW,
    )
    assert [b.name for b in blockers_of(payout, now=NOW)] == ["account_waits"]
    assert blockers_of(payout, now=NOW + HELD_FOR) == []


def test_whoever_added_the_account_does_not_approve(payout, northwind, operator):
    add_bank_account(
        agency=northwind,
        holder="Northwind",
        details=BankDetails(country="", iban=IBAN),
        added_by=operator,
        now=NOW,
    )
    with pytest.raises(RefusedError, match="you added the bank account"):
        approved(payout, operator, now=NOW + HELD_FOR)


def test_a_file_holds_each_approved_payout_once(payout, northwind, operator):
    give_account(northwind)
    approved(payout, operator)
    said = {"month": FEBRUARY, "currency": "USD", "created_by": operator, "now": NOW}

    file = make_bank_file(key="one", **said)
    assert make_bank_file(key="one", **said) == file
    with pytest.raises(RefusedError, match="No approved payout of February 2026 waits"):
        make_bank_file(key="two", **said)
    with pytest.raises(RefusedError, match="No approved payout"):
        make_bank_file(key="three", **(said | {"currency": "EUR"}))
    assert len(list(bank_file_lines(file))) == 2
    assert differences() == []


def test_another_account_than_was_approved_is_not_paid_to(payout, northwind, operator):
    give_account(northwind)
    approved(payout, operator)
    account = add_bank_account(
        agency=northwind,
        holder="Somebody",
        details=BankDetails(country="", iban=SWISS),
        added_by=None,
        now=NOW,
    )
    later = account.usable_from
    said = {"month": FEBRUARY, "currency": "USD", "created_by": operator, "now": later}
    with pytest.raises(RefusedError, match="another bank account than when it was approved"):
        make_bank_file(key="one", **said)
    withdraw_approval(payout=payout, reason="Account", by=operator, now=later, key="w")
    approved(payout, operator, key="again", now=later)
    make_bank_file(key="one", **said)
    assert Transfer.objects.get().bank_account == account


def test_what_failed_may_be_paid_again_and_nothing_twice(payout, northwind, operator):
    give_account(northwind)
    approved(payout, operator)
    said = {"month": FEBRUARY, "currency": "USD", "created_by": operator, "now": NOW}
    make_bank_file(key="one", **said)
    mark_failed(payout=payout, reason="Unknown account", by=operator, now=NOW, key="f")
    approved(payout, operator, key="again")
    make_bank_file(key="two", **said)
    mark_paid(payout=payout, reference="W", paid_at=NOW, by=operator, now=NOW, key="p")

    assert list(Transfer.objects.order_by("pk").values_list("state", "failure")) == [
        ("failed", "Unknown account"),
        ("paid", ""),
    ]
    assert differences() == []
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.filter(state="failed").update(state="paid")


def test_paid_by_hand_it_has_a_transfer_too(payout, northwind, operator):
    give_account(northwind)
    approved(payout, operator)
    mark_paid(payout=payout, reference="W", paid_at=NOW, by=operator, now=NOW, key="p")

    transfer = Transfer.objects.get()
    assert (transfer.method, transfer.state, transfer.amount) == ("by_hand", "paid", D("514.02"))


def test_the_statement_names_the_account_by_its_last_digits(northwind):
    give_account(northwind)
    earn(northwind, "5.00", february(20))
    [made] = build_payouts(now=NOW)

    assert StatementSnapshot.from_dict(made.snapshot).payout_account == "DE** **** 3000"


def test_reconcile_finds_a_payout_that_was_paid_without_a_transfer(payout):
    Payout.objects.filter(pk=payout.pk).update(state="paid")

    [found] = differences()
    assert "no such row" in found
