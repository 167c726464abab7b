"""Asking for what is due: each step once, what it says, and what comes at the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.dunning import DEFAULT, SUSPEND
from billing.models import (
    ChargeConsent,
    ClientBalance,
    Dunning,
    DunningEntry,
    Invoice,
    InvoiceCheckout,
    Mail,
    Payment,
    StripeCustomer,
    Suspension,
)
from billing.refusals import NotAdmittedError, RefusedError
from billing.services.charge_consents import consent_of, end_consent, give_consent
from billing.services.credit_notes import everything, issue_credit_note
from billing.services.disputes import record_dispute
from billing.services.dunning import dun, dun_due_invoices
from billing.services.dunning_pauses import pause_dunning, resume_dunning, start_dunning
from billing.services.dunning_schedules import set_schedule
from billing.services.invoice_checkouts import look_at_open_checkouts, pay_invoice
from billing.services.payments import record_payment
from billing.services.reservations import reserve
from billing.services.reversals import reverse_payment
from billing.services.saved_card_charges import confirm_charge
from billing.services.stripe_attempts import ASKED_AGAIN_FOR
from billing.services.stripe_customers import ensure_customer, read_card
from billing.services.write_offs import write_off
from clients.models import Agency, Client, UsageUnit, User, Workspace
from payouts.reconcile.client_balances import check_client_balances
from payouts.reconcile.dunning import check_dunning, check_online_payments
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope
from tests.billing import ledger
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db

WORDS = "Charge this card on the due date of each invoice."
At = Callable[[int], dt.datetime]


@pytest.fixture(autouse=True)
def _reconciles(db: None) -> Iterator[None]:
    """Whatever the test has done, reconciling proves it afterwards."""
    yield
    scope = Scope()
    found = [*check_online_payments(scope), *check_dunning(scope), *check_client_balances(scope)]
    assert [str(each) for each in found if isinstance(each, Difference)] == []


@pytest.fixture(autouse=True)
def clock(now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> dict[str, dt.datetime]:
    told = {"now": now}
    monkeypatch.setattr("django.utils.timezone.now", lambda: told["now"])
    return told


@pytest.fixture
def at(clock: dict[str, dt.datetime]) -> At:
    """Ten in the morning of a day after the due date, 24 March; the clock shows it, too."""

    def moved(day: int) -> dt.datetime:
        clock["now"] = dt.datetime(2026, 3, 24, 10, tzinfo=dt.UTC) + dt.timedelta(days=day)
        return clock["now"]

    return moved


@pytest.fixture
def invoice(acme_support: Workspace, now: dt.datetime) -> Invoice:
    """Of 100.00, issued on 10 March, due on the 24th."""
    return ledger.issued(acme_support, now=now, fee="100.00")


@pytest.fixture
def suspending(northwind: Agency, now: dt.datetime) -> None:
    """Northwind suspends at the end."""
    schedule = replace(DEFAULT, policy=SUSPEND)
    set_schedule(agency=northwind, schedule=schedule, set_by=None, now=now, key="one")


def saved(stripe: StripeDouble, client: Client, now: dt.datetime, way: str = "card") -> str:
    """A card that the client has saved."""
    customer = ensure_customer(client=client, now=now)
    card: str = stripe.save_card(customer.customer_id, way)["id"]
    read_card(customer=customer, now=now)
    return card


@pytest.fixture
def consent(acme: Client, client_admin: User, now: dt.datetime) -> ChargeConsent:
    return give_consent(client=acme, words=WORDS, given_by=client_admin, now=now)


def run(at: At, days: range | list[int]) -> None:
    """A tick on each of these days, twice, and what follows of it at once."""
    for day in days:
        for _twice in range(2):
            dun_due_invoices(now=at(day), limit=10)


def told() -> list[tuple[int | None, str]]:
    return list(DunningEntry.objects.values_list("day", "kind"))


def by_bank(invoice: Invoice, amount: str, now: dt.datetime) -> Payment:
    return record_payment(
        invoice=invoice,
        amount=Decimal(amount),
        currency="USD",
        method=Payment.Method.BANK_TRANSFER,
        reference="ACME",
        received_at=now,
        now=now,
        key=f"bank:{amount}:{now}",
    )


# --- Reminders -------------------------------------------------------------------------------


def test_without_stripe_a_client_is_reminded_and_the_agency_told_at_the_end(
    invoice: Invoice, at: At
) -> None:
    run(at, range(-4, 40))
    assert told() == [
        (-3, "reminder"),
        (0, "passed_over"),
        (3, "reminder"),
        (7, "reminder"),
        (14, "final"),
        (21, "notified"),
    ]
    mails = {mail.key: mail for mail in Mail.objects.filter(key__startswith="dunning:")}
    first = mails["dunning:INV-2026-000001:-3"]
    assert first.subject == "Invoice INV-2026-000001 is due on March 24, 2026"
    assert "Please pay $100.00 by then" in first.body_text
    assert f"/portal/{invoice.client_id}/invoices/{invoice.pk}/" in first.body_text
    last = mails["dunning:INV-2026-000001:14"]
    assert last.subject == "Last notice: invoice INV-2026-000001 is not paid"
    assert "If it is not paid by April 14, 2026, Northwind decides how it goes on." in (
        last.body_text
    )
    assert "account 000123456789" in last.body_text
    agency = mails["dunning:INV-2026-000001:21:agency"]
    assert (agency.client, agency.subject) == (None, "Acme has not paid invoice INV-2026-000001")
    assert not Suspension.objects.exists()
    assert Dunning.objects.get().next_at is None


def test_paid_in_time_nobody_is_reminded(invoice: Invoice, at: At, now: dt.datetime) -> None:
    by_bank(invoice, "100.00", now)
    run(at, [-3, 0, 3, 30])
    assert told() == []


def test_a_part_that_is_paid_is_not_asked_for(invoice: Invoice, at: At, now: dt.datetime) -> None:
    by_bank(invoice, "40.00", now)
    run(at, [3])
    mail = Mail.objects.get(key="dunning:INV-2026-000001:3")
    assert "$60.00 are still to be paid." in mail.body_text


@pytest.mark.parametrize("how", ["voided", "given up", "disputed"])
def test_what_is_void_given_up_or_disputed_is_not_dunned(
    invoice: Invoice, at: At, now: dt.datetime, how: str
) -> None:
    if how == "voided":
        parts = everything(invoice)
        issue_credit_note(
            invoice=invoice, parts=parts, reason="Wrong", created_by=None, now=now, key="void"
        )
    elif how == "given up":
        write_off(invoice=invoice, reason="Gone", written_off_by=None, now=now, key="off")
    else:
        paid = by_bank(invoice, "40.00", now)
        record_dispute(
            payment=paid,
            provider_id="du_1",
            state="opened",
            amount=Decimal(40),
            happened_at=now,
            now=now,
        )
    run(at, range(-4, 30))
    assert told() == []


def test_when_the_dispute_is_lost_dunning_goes_on_with_the_last_notice_first(
    invoice: Invoice, at: At, now: dt.datetime, suspending: None
) -> None:
    """The schedule in force when the invoice was issued is the default: `suspending` came later."""
    paid = by_bank(invoice, "40.00", now)
    dispute = {"payment": paid, "provider_id": "du_1", "amount": Decimal(40)}
    record_dispute(**dispute, state="opened", happened_at=now, now=now)  # type: ignore[arg-type]
    run(at, range(-4, 60))
    record_dispute(**dispute, state="lost", happened_at=at(60), now=at(60))  # type: ignore[arg-type]
    run(at, range(61, 80))
    done = [(day, kind) for day, kind in told() if kind != "passed_over"]
    assert done == [(14, "final"), (21, "notified")]


def test_the_database_keeps_a_step_from_happening_twice(invoice: Invoice, at: At) -> None:
    run(at, [-3])
    with pytest.raises(IntegrityError), transaction.atomic():
        DunningEntry(invoice=invoice, day=-3, kind="reminder", done_at=at(-3)).save()


def test_killed_before_it_commits_a_step_is_done_later_and_once(
    invoice: Invoice, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("billing.services.dunning._do", lambda *_: 1 / 0)
        dun_due_invoices(now=at(-3), limit=10)
    assert (told(), Mail.objects.filter(key__startswith="dunning").count()) == ([], 0)
    dun_due_invoices(now=at(-3) + dt.timedelta(minutes=14), limit=10)
    assert told() == []
    dun_due_invoices(now=at(-3) + dt.timedelta(minutes=15), limit=10)
    assert told() == [(-3, "reminder")]


def test_killed_between_its_commit_and_stripe_the_charge_is_made_by_the_tick_once(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now)
    assert dun(dunning_id=Dunning.objects.get().pk, now=at(0)) is not None
    assert stripe.rows("payment_intent") == []
    for _twice in range(2):
        look_at_open_checkouts(now=at(0) + dt.timedelta(minutes=1), limit=10)
        dun_due_invoices(now=at(0) + dt.timedelta(minutes=1), limit=10)
    assert len(stripe.rows("payment_intent")) == Payment.objects.count() == 1
    assert told() == [(-3, "passed_over"), (0, "charge")]


# --- Schedules -------------------------------------------------------------------------------


def test_a_schedule_holds_for_invoices_issued_from_then_on(
    invoice: Invoice, northwind: Agency, acme_docs: Workspace, at: At, now: dt.datetime
) -> None:
    later = now + dt.timedelta(hours=1)
    short = replace(DEFAULT, remind_on=(1,), charge_on=(), final_on=2, ends_on=3)
    for _twice in range(2):
        row = set_schedule(agency=northwind, schedule=short, set_by=None, now=later, key="short")
    assert row.number == 1
    second = ledger.issued(acme_docs, now=later, fee="50.00")
    assert Dunning.objects.get(invoice=invoice).schedule == DEFAULT
    assert Dunning.objects.get(invoice=second).schedule == short
    with pytest.raises(RefusedError) as refused:
        set_schedule(
            agency=northwind,
            schedule=replace(short, ends_on=1),
            set_by=None,
            now=later,
            key="wrong",
        )
    assert refused.value.field == "ends_on"


def test_an_invoice_of_before_there_was_dunning_is_dunned_when_somebody_says_so(
    invoice: Invoice, at: At
) -> None:
    Dunning.objects.all().delete()
    run(at, range(-4, 60))
    assert told() == []
    for _twice in range(2):
        start_dunning(invoice=invoice, now=at(60))
    run(at, [60, 61])
    assert told()[-1] == (14, "final")


def test_paused_nothing_happens_and_then_it_goes_on(
    invoice: Invoice, at: At, operator: User
) -> None:
    run(at, [-3])
    with pytest.raises(RefusedError, match="reason"):
        pause_dunning(invoice=invoice, reason=" ", paused_by=operator, now=at(-2))
    for _twice in range(2):
        pause_dunning(invoice=invoice, reason="They called.", paused_by=operator, now=at(-2))
    run(at, range(-1, 6))
    for _twice in range(2):
        resume_dunning(invoice=invoice, resumed_by=operator, now=at(6))
    run(at, [6, 7])
    assert told() == [
        (-3, "reminder"),
        (None, "paused"),
        (None, "resumed"),
        (0, "passed_over"),
        (3, "reminder"),
        (7, "reminder"),
    ]
    paused = DunningEntry.objects.get(kind="paused")
    assert (paused.said, paused.by) == ("They called.", operator)


# --- The end ---------------------------------------------------------------------------------


@pytest.fixture
def on_plan(acme_support: Workspace, conversation: UsageUnit, now: dt.datetime) -> Workspace:
    """With room for a thousand conversations, without an end."""
    from clients.services.windows import open_window

    window = open_window(
        workspace=acme_support,
        unit=conversation,
        start=now - dt.timedelta(days=20),
        end=now + dt.timedelta(days=200),
    )
    window.available, window.available_since = Decimal(1000), window.start
    window.available_until = window.end
    window.save()
    return acme_support


def test_suspended_at_the_end_reservations_are_refused_in_words_until_it_is_paid(
    suspending: None,
    on_plan: Workspace,
    invoice: Invoice,
    conversation: UsageUnit,
    client_admin: User,
    at: At,
) -> None:
    def hold() -> Any:
        return reserve(
            workspace=on_plan, unit=conversation, quantity=Decimal(1), now=at(22), key=None
        )

    run(at, range(-4, 21))
    hold()
    run(at, [21, 22])
    assert told()[-1] == (21, "suspended")
    with pytest.raises(NotAdmittedError) as refused:
        hold()
    assert str(refused.value) == (
        "New usage is suspended since 14 April 2026, because $100.00 of invoice INV-2026-000001 "
        "are not paid. As soon as they are, it goes on. How to pay: "
        f"http://127.0.0.1:8000/portal/{invoice.client_id}/invoices/{invoice.pk}/"
    )
    mail = Mail.objects.get(key="dunning:INV-2026-000001:21")
    assert mail.subject == "New usage is suspended: invoice INV-2026-000001 is not paid"
    assert mail.recipients == ["billing@acme.example", client_admin.email]

    by_bank(invoice, "60.00", at(22))
    with pytest.raises(NotAdmittedError, match=r"\$40.00 of invoice"):
        hold()
    last = by_bank(invoice, "40.00", at(22))
    hold()
    assert Suspension.objects.get().lifted_at == at(22)
    assert told()[-1] == (None, "lifted")

    reverse_payment(payment=last, reason="Bounced", reversed_at=at(23), now=at(23), key="back")
    run(at, [23])
    assert told()[-1] == (None, "suspended")
    with pytest.raises(NotAdmittedError):
        hold()


def test_a_pause_lifts_a_suspension_and_its_end_brings_it_back(
    suspending: None, invoice: Invoice, at: At
) -> None:
    run(at, range(-4, 22))
    pause_dunning(invoice=invoice, reason="Paid tomorrow.", paused_by=None, now=at(22))
    assert not Suspension.objects.open().exists()
    run(at, [22, 23])
    assert not Suspension.objects.open().exists()
    resume_dunning(invoice=invoice, resumed_by=None, now=at(24))
    run(at, [24])
    assert Suspension.objects.open().count() == 1


# --- Consent ---------------------------------------------------------------------------------


def test_only_an_admin_of_the_client_consents_and_the_agency_may_end_it(
    acme: Client, client_admin: User, client_viewer: User, owner: User, now: dt.datetime
) -> None:
    for nobody in (client_viewer, owner):
        with pytest.raises(RefusedError, match="Only an admin of Acme"):
            give_consent(client=acme, words=WORDS, given_by=nobody, now=now)
    for _twice in range(2):
        given = give_consent(client=acme, words=WORDS, given_by=client_admin, now=now)
    assert (given.words, given.decided_by, given.decided_at) == (WORDS, client_admin, now)
    assert consent_of(acme) == given
    for _twice in range(2):
        end_consent(client=acme, words="They asked.", ended_by=owner, side="agency", now=now)
    assert consent_of(acme) is None
    assert ChargeConsent.objects.count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        ChargeConsent(
            agency=acme.agency,
            client=acme,
            is_given=True,
            side="agency",
            words="No",
            decided_by=owner,
            decided_at=now,
        ).save()


# --- Charges ---------------------------------------------------------------------------------


def test_on_the_due_date_the_saved_card_is_charged_what_is_left(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now)
    by_bank(invoice, "40.00", now)
    run(at, range(-4, 10))
    assert told() == [(-3, "reminder"), (0, "charge")]
    assert "On March 24, 2026 Visa •••• 4242 is charged $60.00." in (
        Mail.objects.get(key="dunning:INV-2026-000001:-3").body_text
    )
    (intent,) = stripe.rows("payment_intent")
    assert (intent["amount"], intent["status"]) == (6_000, "succeeded")
    attempt = InvoiceCheckout.objects.get()
    assert (attempt.state, attempt.method, attempt.amount) == ("paid", "card", Decimal(60))
    invoice.refresh_from_db()
    assert (invoice.state, invoice.amount_due) == ("paid", 0)


def test_without_consent_or_card_nothing_is_charged_and_the_reminder_comes(
    stripe: StripeDouble, invoice: Invoice, at: At, now: dt.datetime, client_admin: User
) -> None:
    saved(stripe, invoice.client, now)
    run(at, [0])
    assert DunningEntry.objects.get(day=0).said == (
        "The client has not consented to charges on due dates."
    )
    give_consent(client=invoice.client, words=WORDS, given_by=client_admin, now=at(1))
    StripeCustomer.objects.update(card_id="")
    run(at, [3])
    entry = DunningEntry.objects.get(day=3)
    assert (entry.kind, entry.said) == ("reminder", "No card is saved.")
    assert stripe.rows("payment_intent") == []


def test_a_decline_is_told_in_words_and_tried_again_as_the_schedule_says(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "no funds")
    run(at, range(-4, 15))
    assert [entry for entry in told() if entry[1] != "reminder"] == [
        (0, "charge"),
        (3, "charge"),
        (14, "final"),
    ]
    first, _second = InvoiceCheckout.objects.order_by("pk")
    assert (first.state, first.decline) == ("failed", "insufficient_funds")
    mail = Mail.objects.get(key=f"charge:{first.pk}")
    assert mail.subject == "Your card could not be charged for invoice INV-2026-000001"
    assert "There is not enough money on the card. Nothing was charged." in mail.body_text
    assert Mail.objects.filter(key__startswith="charge:").count() == 2
    assert Payment.objects.count() == 0


def test_another_card_is_tried_where_the_one_before_was_refused_for_good(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "stolen")
    run(at, [0])
    saved(stripe, invoice.client, at(2))
    run(at, [3])
    assert told() == [(-3, "passed_over"), (0, "charge"), (3, "charge")]
    invoice.refresh_from_db()
    assert invoice.state == "paid"


def test_the_same_card_refused_for_good_brings_a_reminder_instead(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "stolen")
    run(at, range(4))
    assert told() == [(-3, "passed_over"), (0, "charge"), (3, "reminder")]
    assert "The bank will not let this card be charged" in DunningEntry.objects.get(day=3).said


def test_a_card_that_was_taken_off_meanwhile_is_told_as_one_that_cannot_be_charged(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    card = saved(stripe, invoice.client, now)
    stripe.book.get("payment_method", card)["customer"] = None
    run(at, [0])
    attempt = InvoiceCheckout.objects.get()
    assert (attempt.state, attempt.failure, attempt.trouble) == (
        *("failed", "The card cannot be charged.", ""),
    )
    assert Mail.objects.filter(key=f"charge:{attempt.pk}").exists()


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_card_whose_bank_asks_for_its_holder_waits_for_them(
    stripe: StripeDouble,
    invoice: Invoice,
    consent: ChargeConsent,
    at: At,
    now: dt.datetime,
    confirmed: bool,
) -> None:
    saved(stripe, invoice.client, now, "3ds always")
    run(at, range(-4, 4))
    attempt = InvoiceCheckout.objects.get()
    assert (attempt.state, attempt.awaits_holder) == ("pending", True)
    mail = Mail.objects.get(key=f"charge:{attempt.pk}")
    assert mail.subject == "Please confirm the payment of invoice INV-2026-000001"
    assert told()[-1] == (3, "reminder")

    attempt = confirm_charge(checkout=attempt, now=at(3))
    assert attempt.pay_url == f"{stripe.url}/authenticate/{attempt.intent_id}"
    stripe.authenticate(attempt.intent_id or "", ok=confirmed)
    look_at_open_checkouts(now=at(4), limit=10)
    attempt.refresh_from_db()
    assert attempt.state == ("paid" if confirmed else "failed")
    assert len(stripe.rows("payment_intent")) == 1
    assert Payment.objects.count() == confirmed


def test_who_pays_another_way_takes_the_charge_back_that_waits_for_them(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "3ds always")
    run(at, [0])
    waiting = InvoiceCheckout.objects.get()
    page = pay_invoice(invoice=invoice, payer=None, now=at(1))
    waiting.refresh_from_db()
    assert (waiting.state, page.method, page.state) == ("cancelled", "page", "pending")
    assert stripe.book.get("payment_intent", waiting.intent_id or "")["status"] == "canceled"


def test_paid_by_bank_meanwhile_a_charge_that_waits_is_taken_back(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now, "3ds always")
    run(at, [0])
    by_bank(invoice, "100.00", at(1))
    look_at_open_checkouts(now=at(1), limit=10)
    assert InvoiceCheckout.objects.get().state == "cancelled"


def test_while_somebody_pays_on_the_page_the_card_is_not_charged(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now)
    run(at, [-3])
    page = pay_invoice(invoice=invoice, payer=None, now=at(0))
    run(at, [0])
    assert told() == [(-3, "reminder")]
    stripe.expire(page.session_id or "")
    look_at_open_checkouts(now=at(0) + dt.timedelta(hours=2), limit=10)
    dun_due_invoices(now=at(0) + dt.timedelta(hours=2), limit=10)
    assert told()[-1] == (0, "charge")
    assert Payment.objects.get().amount == Decimal(100)


def test_a_payment_on_its_way_is_not_dunned(stripe: StripeDouble, invoice: Invoice, at: At) -> None:
    page = pay_invoice(invoice=invoice, payer=None, now=at(-4))
    intent = stripe.pay(page.session_id or "", "debit")["payment_intent"]
    look_at_open_checkouts(now=at(-4) + dt.timedelta(hours=1), limit=10)
    run(at, range(-3, 3))
    assert told() == []
    stripe.bounce(intent)
    look_at_open_checkouts(now=at(3), limit=10)
    run(at, [3, 4])
    assert told()[-1] == (3, "reminder")


def test_after_a_lost_answer_it_is_asked_for_again_and_charged_once(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now)
    stripe.breaks = ["lose", "lose"]
    dun_due_invoices(now=at(0), limit=10)
    assert InvoiceCheckout.objects.get().state == "pending"
    look_at_open_checkouts(now=at(0) + dt.timedelta(minutes=2), limit=10)
    assert InvoiceCheckout.objects.get().state == "paid"
    assert len(stripe.rows("payment_intent")) == Payment.objects.count() == 1


def test_a_charge_that_nobody_hears_of_for_a_day_is_somebodys_to_look_at(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    saved(stripe, invoice.client, now)
    stripe.breaks = ["drop"] * 2
    dun_due_invoices(now=at(0), limit=10)
    look_at_open_checkouts(now=at(0) + ASKED_AGAIN_FOR, limit=10)
    attempt = InvoiceCheckout.objects.get()
    assert (attempt.state, attempt.trouble[:29]) == ("failed", "Nobody knows whether it was c")
    run(at, range(1, 10))
    assert [kind for _, kind in told()] == ["passed_over", "charge"]


def test_paid_otherwise_while_it_is_charged_the_rest_is_on_the_balance(
    stripe: StripeDouble, invoice: Invoice, consent: ChargeConsent, at: At, now: dt.datetime
) -> None:
    """The card is charged 100.00, its answer lost, and 30.00 come by bank."""
    saved(stripe, invoice.client, now)
    stripe.breaks = ["lose", "lose"]
    dun_due_invoices(now=at(0), limit=10)
    by_bank(invoice, "30.00", at(0))
    look_at_open_checkouts(now=at(0) + dt.timedelta(minutes=2), limit=10)
    invoice.refresh_from_db()
    assert (invoice.state, ClientBalance.objects.get().amount) == ("paid", Decimal(30))


def test_events_of_a_charge_late_twice_and_out_of_order_book_it_once(
    stripe: StripeDouble,
    invoice: Invoice,
    consent: ChargeConsent,
    deliver: Any,
    at: At,
    now: dt.datetime,
) -> None:
    saved(stripe, invoice.client, now)
    stripe.breaks = ["lose", "lose"]
    dun_due_invoices(now=at(0), limit=10)
    for event in [*reversed(stripe.events), *stripe.events]:
        deliver(event)
    assert InvoiceCheckout.objects.get().state == "paid"
    assert Payment.objects.count() == 1
