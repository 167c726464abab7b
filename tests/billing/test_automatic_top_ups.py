"""Top-ups that a client has bought automatically: within its consent, once for each trigger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from agencyportal.core.append_only import AppendOnlyError, lifted
from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpEvent,
    AutomaticTopUpMonth,
    CreditGrant,
    Invoice,
    InvoiceDocument,
    Mail,
    TaxRate,
    TopUpBand,
    TopUpConsent,
    TopUpOrder,
    TopUpPurchase,
)
from billing.refusals import RefusedError
from billing.services import automatic_consent
from billing.services.attention import attend
from billing.services.automatic_buying import look, look_at_all
from billing.services.automatic_consent import (
    resume,
    switch_off,
    switch_off_for_agency,
    switch_on,
)
from billing.services.automatic_terms import Wanted, digest_of, terms_of
from billing.services.caps import set_cap
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_invoice
from billing.services.order_fulfilment import move_to_balance
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.stripe_attempts import ASKED_AGAIN_FOR
from billing.services.stripe_customers import ensure_customer, read_card, remove_card
from billing.services.suspensions import lift, suspend
from billing.services.top_up_orders import (
    begin_payment,
    close_without_payment,
    confirm_payment,
    look_at_open_orders,
    look_at_order,
)
from clients.models import Client, User, Workspace
from clients.services.recording import SubmittedEvent, record_events
from payouts.reconcile.automatic import check_automatic
from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Checked
from payouts.reconcile.scope import Scope
from tests.billing.plan_samples import NEW_YORK_2026, allowance, band, starter
from tests.billing.story import subscribe
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import deliver, endpoint, stripe, stripe_server

__all__ = ["deliver", "endpoint", "stripe", "stripe_server"]

pytestmark = pytest.mark.django_db

MARCH = NEW_YORK_2026[3]
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _noon(now: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


@pytest.fixture
def growth(acme_support: Workspace, conversation: Any) -> TopUpBand:
    """1,000 conversations included in March; Growth 500 for 60.00."""
    return subscribe(acme_support, starter(), MARCH).plan_version.top_ups.get()


@pytest.fixture
def card(stripe: StripeDouble, acme: Client, now: dt.datetime) -> Callable[..., str]:
    """Saves a card of some kind for Acme, in place of the one of before."""

    def save(way: str = "card") -> str:
        customer = ensure_customer(client=acme, now=now)
        stripe.save_card(customer.customer_id, way)
        return read_card(customer=customer, now=now).card_id

    return save


def wanted(growth: TopUpBand, **more: Any) -> Wanted:
    """At 200 or fewer, at most three and 180.00 a month, by card."""
    given: dict[str, Any] = {
        "threshold": Decimal(200),
        "max_count": 3,
        "max_amount": Decimal(180),
        "pay": "card",
    }
    return Wanted(band=growth, **{**given, **more})


def consent(
    workspace: Workspace, growth: TopUpBand, user: User, now: dt.datetime, **more: Any
) -> AutomaticTopUp:
    asked = wanted(growth, **more)
    shown = digest_of(terms_of(workspace=workspace, wanted=asked, now=now))
    return switch_on(workspace=workspace, wanted=asked, shown=shown, given_by=user, now=now)


@pytest.fixture
def automatic(
    growth: TopUpBand,
    card: Callable[..., str],
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> AutomaticTopUp:
    """Switched on, with a card that pays."""
    card()
    return consent(acme_support, growth, client_admin, now)


def use(workspace: Workspace, quantity: int, at: dt.datetime) -> None:
    event = SubmittedEvent(
        id=f"{at.isoformat()} {quantity}", unit="conversation", quantity=Decimal(quantity), time=at
    )
    record_events(workspace=workspace, events=[event], now=at)


@contextmanager
def killed_at(function: str) -> Iterator[None]:
    """The worker dies where it would call a function."""

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(function, die)
        with pytest.raises(KeyboardInterrupt):
            yield


def granted() -> tuple[int, int, int]:
    """How many purchases, grants and paid invoices there are."""
    return (
        TopUpPurchase.objects.count(),
        CreditGrant.objects.filter(kind="top_up").count(),
        Invoice.objects.filter(order__isnull=False, state="paid").count(),
    )


def standing(automatic: AutomaticTopUp) -> tuple[str, str]:
    automatic.refresh_from_db()
    return automatic.state, automatic.reason


def month() -> tuple[int, Decimal]:
    found = AutomaticTopUpMonth.objects.get()
    return found.count, found.amount


def mails() -> list[str]:
    rows = Mail.objects.filter(key__startswith="automatic-top-up:").order_by("pk")
    return [key.split(":")[1] for key in rows.values_list("key", flat=True)]


def differences(*, everywhere: bool = False) -> list[str]:
    """What is not proved of automatic top-ups; or of the books as a whole, which takes longer."""
    proof = reconcile(Scope(None)) if everywhere else check_automatic(Scope(None))
    return [str(found) for found in proof if not isinstance(found, Checked)]


# --- Consent -----------------------------------------------------------------------------------


def test_consent_keeps_who_when_and_the_terms_word_for_word(
    automatic: AutomaticTopUp, client_admin: User, now: dt.datetime
) -> None:
    found = TopUpConsent.objects.get()
    assert automatic.consent == found
    assert (found.given_by, found.given_at) == (client_admin, now)
    assert (found.threshold, found.max_count, found.max_amount) == (200, 3, 180)
    assert (
        "When 200 or fewer conversations are left, one Growth 500 is bought: 500 conversations "
        "for $60.00 before tax." in found.terms
    )
    assert "At most 3 are bought, for at most $180.00 with tax, in one calendar month" in (
        found.terms
    )
    with pytest.raises(AppendOnlyError):
        TopUpConsent.objects.update(max_count=30)


def test_without_consent_nothing_is_bought(
    growth: TopUpBand, card: Callable[..., str], acme_support: Workspace, now: dt.datetime
) -> None:
    card()
    use(acme_support, 990, now)
    assert look_at_all(now=now, limit=10) == 0
    assert granted() == (0, 0, 0)


def test_only_an_admin_of_the_client_consents(
    growth: TopUpBand,
    card: Callable[..., str],
    acme_support: Workspace,
    client_viewer: User,
    owner: User,
    operator: User,
    now: dt.datetime,
) -> None:
    card()
    for person in (client_viewer, owner, operator):
        with pytest.raises(RefusedError, match="Only an admin of Acme"):
            consent(acme_support, growth, person, now)
    assert not TopUpConsent.objects.exists()


def test_what_was_not_shown_is_not_agreed_to(
    growth: TopUpBand,
    card: Callable[..., str],
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    """The page showed 60.00; a tax rate came into force before the form was sent."""
    card()
    asked = wanted(growth)
    shown = digest_of(terms_of(workspace=acme_support, wanted=asked, now=now))
    TaxRate.objects.create(
        agency=acme_support.agency,
        country="US",
        category="S",
        percent=Decimal("8.875"),
        effective_from=dt.date(2020, 1, 1),
    )
    with pytest.raises(RefusedError, match="have changed meanwhile"):
        switch_on(workspace=acme_support, wanted=asked, shown=shown, given_by=client_admin, now=now)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"max_amount": Decimal("59.99")}, "max_amount", "One costs"),
        ({"max_amount": Decimal("100.001")}, "max_amount", "Finer"),
        ({"max_count": 0}, "max_count", "From 1 to 100"),
        ({"max_count": 101}, "max_count", "From 1 to 100"),
        ({"threshold": Decimal(-1)}, "threshold", "Nothing left"),
        ({"pay": "account"}, "pay", "does not allow"),
    ],
)
def test_what_could_never_buy_is_refused(
    growth: TopUpBand,
    card: Callable[..., str],
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
    changed: dict[str, Any],
    field: str,
    words: str,
) -> None:
    card()
    with pytest.raises(RefusedError, match=words) as refused:
        consent(acme_support, growth, client_admin, now, **changed)
    assert refused.value.field == field


def test_a_card_has_to_be_there_first(
    stripe: StripeDouble,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    with pytest.raises(RefusedError, match="Save a card first"):
        consent(acme_support, growth, client_admin, now)


def test_other_limits_are_another_consent_and_end_the_one_before(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    first = TopUpConsent.objects.get()
    assert consent(acme_support, growth, client_admin, now + MINUTE).consent == first
    second = consent(acme_support, growth, client_admin, now + HOUR, max_count=5).consent_id
    kinds = AutomaticTopUpEvent.objects.order_by("pk").values_list("kind", "consent")
    assert list(kinds) == [
        ("consented", first.pk),
        ("replaced", first.pk),
        ("consented", second),
    ]
    with pytest.raises(IntegrityError, match=r"ends_once|consent"), transaction.atomic():
        AutomaticTopUpEvent.objects.create(
            agency=acme_support.agency,
            client=acme_support.client,
            automatic=automatic,
            consent=first,
            kind="switched_off",
            happened_at=now,
        )


def test_switched_off_nothing_more_is_bought(
    automatic: AutomaticTopUp, acme_support: Workspace, client_admin: User, now: dt.datetime
) -> None:
    switch_off(automatic=automatic, ended_by=client_admin, now=now)
    use(acme_support, 990, now)
    assert look_at_all(now=now, limit=10) == 0
    assert look(automatic_id=automatic.pk, now=now) is None
    assert standing(automatic) == ("off", "")
    assert differences() == []


def test_the_agency_switches_it_off_with_a_reason_and_never_on(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    owner: User,
    now: dt.datetime,
) -> None:
    with pytest.raises(RefusedError, match="Say why"):
        switch_off_for_agency(automatic=automatic, ended_by=owner, reason=" ", now=now)
    switch_off_for_agency(automatic=automatic, ended_by=owner, reason="A test", now=now)
    assert standing(automatic) == ("off", "")
    mail = Mail.objects.get(key__startswith="automatic-top-up:event:")
    assert mail.recipients == ["admin@acme.example"]
    assert "has switched automatic top-ups of conversations" in mail.body_text
    assert "A test" in mail.body_text
    with pytest.raises(RefusedError, match="off already"):
        switch_off_for_agency(automatic=automatic, ended_by=owner, reason="Again", now=now)
    with pytest.raises(RefusedError, match="Only an admin"):
        resume(automatic=automatic, resumed_by=owner, now=now)


# --- Buying ------------------------------------------------------------------------------------


def test_recording_marks_and_the_tick_buys(
    stripe: StripeDouble, automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    use(acme_support, 799, now)
    assert look_at_all(now=now, limit=10) == 0  # 201 are left
    use(acme_support, 1, now + MINUTE)
    assert stripe.rows("payment_intent") == []
    assert look_at_all(now=now + 2 * MINUTE, limit=10) == 1
    assert granted() == (1, 1, 1)
    made = AutomaticPurchase.objects.get()
    assert (made.state, made.left, made.gross, made.number) == ("bought", 200, 60, 1)
    assert made.purchase == made.order.purchase
    assert made.purchase.purchased_by is None
    invoice = made.order.invoice
    assert (invoice.total, invoice.amount_paid) == (60, 60)
    assert InvoiceDocument.objects.filter(invoice=invoice).exists()
    assert month() == (1, Decimal(60))
    asked = next(params for _m, path, params in stripe.calls if path == "/v1/payment_intents")
    assert asked["off_session"] == "true"
    assert differences(everywhere=True) == []


def test_the_same_trigger_again_buys_nothing(
    automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    use(acme_support, 900, now)
    for minute in range(4):
        look_at_all(now=now + minute * MINUTE, limit=10)
    assert look(automatic_id=automatic.pk, now=now + 5 * MINUTE) is None
    assert granted() == (1, 1, 1)


def test_it_buys_again_until_enough_is_left(
    automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    """1,400 used of 1,000: the first 500 cover nothing of what came before them."""
    use(acme_support, 1000, now)
    look_at_all(now=now, limit=10)
    use(acme_support, 450, now + 20 * MINUTE)
    look_at_all(now=now + 20 * MINUTE, limit=10)
    assert granted() == (2, 2, 2)


def test_it_looks_at_once_when_it_is_switched_on(
    growth: TopUpBand,
    card: Callable[..., str],
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    card()
    use(acme_support, 950, now)
    consent(acme_support, growth, client_admin, now)
    assert look_at_all(now=now, limit=10) == 1


def test_on_account_where_the_agency_allows_it(
    growth: TopUpBand, acme_support: Workspace, client_admin: User, now: dt.datetime
) -> None:
    """No Stripe: the price goes on the next invoice."""
    Client.objects.update(automatic_on_account=True)
    acme_support.client.refresh_from_db()
    automatic = consent(acme_support, growth, client_admin, now, pay="account")
    use(acme_support, 900, now)
    assert look_at_all(now=now, limit=10) == 1
    assert look_at_all(now=now, limit=10) == 0
    made = AutomaticPurchase.objects.get()
    assert (made.state, made.order, made.purchase.key) == (
        "bought",
        None,
        f"automatic:{automatic.pk}:1",
    )
    assert differences(everywhere=True) == []
    Client.objects.update(automatic_on_account=False)
    use(acme_support, 450, now + HOUR)
    look_at_all(now=now + HOUR, limit=10)
    assert standing(automatic) == ("stopped", "on_account")


def test_the_packages_own_rule_and_the_clients_never_both_buy(
    card: Callable[..., str],
    acme_support: Workspace,
    conversation: Any,
    client_admin: User,
    now: dt.datetime,
) -> None:
    policy = {
        "policy": "top_up",
        "top_up": "Growth 500",
        "at": "200",
        "then": "block",
        "max_count": 1,
    }
    plan = starter(allowances=[allowance(overage=policy)])
    growth = subscribe(acme_support, plan, MARCH).plan_version.top_ups.get()
    card()
    with pytest.raises(RefusedError, match="by itself already"):
        consent(acme_support, growth, client_admin, now)


def test_where_a_package_comes_that_buys_itself_the_clients_rests(
    stripe: StripeDouble, automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    """Both would buy at 200; the package does, once, on account."""
    policy = {"policy": "top_up", "top_up": "Growth 500", "at": "200", "then": "block"}
    plan = starter(allowances=[allowance(overage=policy | {"max_count": 5})])
    version = import_plan(agency=acme_support.agency, document=plan, now=now)
    change_plan(
        subscription=acme_support.subscriptions.get(), plan_version=version, when="now", now=now
    )
    use(acme_support, 850, now)
    for _ in range(2):
        look_at_all(now=now, limit=10)
        attend(workspace_id=acme_support.pk, now=now)
    assert [row.key.partition(":")[0] for row in TopUpPurchase.objects.all()] == ["auto"]
    assert (standing(automatic), stripe.rows("charge")) == (("on", ""), [])
    assert not AutomaticPurchase.objects.exists()


def test_it_rests_in_a_trial(
    card: Callable[..., str],
    acme_support: Workspace,
    conversation: Any,
    client_admin: User,
    now: dt.datetime,
) -> None:
    growth = subscribe(acme_support, starter(trial_days=14), MARCH).plan_version.top_ups.get()
    card()
    consent(acme_support, growth, client_admin, now)
    use(acme_support, 990, now)
    assert look_at_all(now=now, limit=10) == 0
    assert not TopUpOrder.objects.exists()


# --- Limits ------------------------------------------------------------------------------------


def test_the_monthly_maxima_hold_and_it_goes_on_in_the_next_month(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    consent(acme_support, growth, client_admin, now, max_count=3, max_amount=Decimal("119.99"))
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    use(acme_support, 500, now + HOUR)
    look_at_all(now=now + HOUR, limit=10)
    assert (granted(), month()) == ((1, 1, 1), (1, Decimal(60)))
    assert standing(automatic) == ("on", "maximum")
    assert automatic.look_at == NEW_YORK_2026[4]
    assert mails() == ["maximum"]
    use(acme_support, 10, now + 2 * HOUR)
    look_at_all(now=now + 2 * HOUR, limit=10)
    assert mails() == ["maximum"]


def test_the_database_refuses_more_than_the_maxima(
    automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    for change in ({"count": 4}, {"amount": Decimal("180.01")}, {"count": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AutomaticTopUpMonth.objects.update(**change)


def test_lower_limits_hold_at_once(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    consent(acme_support, growth, client_admin, now + HOUR, max_count=1)
    use(acme_support, 500, now + HOUR)
    look_at_all(now=now + HOUR, limit=10)
    assert granted() == (1, 1, 1)
    assert standing(automatic) == ("on", "maximum")
    assert differences() == []


def test_a_cap_on_spending_is_waited_for(
    automatic: AutomaticTopUp, acme_support: Workspace, operator: User, now: dt.datetime
) -> None:
    set_cap(
        agency=acme_support.agency,
        kind="spend",
        limit=Decimal(50),
        now=now,
        set_by=operator,
        workspace=acme_support,
    )
    use(acme_support, 900, now)
    assert look_at_all(now=now, limit=10) == 0
    assert standing(automatic) == ("on", "cap")
    assert (month(), AutomaticPurchase.objects.count()) == ((0, Decimal(0)), 0)
    set_cap(
        agency=acme_support.agency,
        kind="spend",
        limit=Decimal(500),
        now=now,
        set_by=operator,
        workspace=acme_support,
    )
    assert look_at_all(now=now + HOUR, limit=10) == 1
    assert standing(automatic) == ("on", "")


def test_nothing_is_bought_for_a_client_whose_usage_is_suspended(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
) -> None:
    """It goes on by itself once the invoice is paid."""
    (draft,) = draft_invoices(now=now)
    invoice = issue_invoice(invoice=draft, now=now)
    with transaction.atomic():
        suspend(invoice, now=now)
    use(acme_support, 900, now)
    assert look_at_all(now=now, limit=10) == 0
    assert (standing(automatic), stripe.rows("charge")) == (("on", "suspended"), [])
    with transaction.atomic():
        lift(invoice, now=now, said="Paid")
    assert look_at_all(now=now + HOUR, limit=10) == 1


def test_a_fourth_within_an_hour_stops_it(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    consent(acme_support, growth, client_admin, now, max_count=20, max_amount=Decimal(2000))
    use(acme_support, 900, now)
    for turn in range(5):
        at = now + turn * 10 * MINUTE
        look_at_all(now=at, limit=10)
        use(acme_support, 500, at + MINUTE)
    assert granted() == (3, 3, 3)
    assert standing(automatic) == ("stopped", "burst")
    assert mails() == ["event"]
    resume(automatic=automatic, resumed_by=client_admin, now=now + HOUR)
    assert look_at_all(now=now + HOUR, limit=10) == 1


def test_usage_far_above_the_usual_stops_it(
    automatic: AutomaticTopUp, acme_support: Workspace, client_admin: User, now: dt.datetime
) -> None:
    """At most 20 in an hour for days, then 700 in one: more than ten times as many."""
    for day in range(1, 6):
        use(acme_support, 20, now + day * 24 * HOUR)
    at = now + 6 * 24 * HOUR
    use(acme_support, 760, at)
    assert look_at_all(now=at, limit=10) == 0
    assert standing(automatic) == ("stopped", "pace")
    assert "looks like a mistake" in Mail.objects.get(key__contains="event").body_text
    resume(automatic=automatic, resumed_by=client_admin, now=at)
    assert look_at_all(now=at, limit=10) == 1


# --- Declines ----------------------------------------------------------------------------------


def test_declines_are_told_once_each_and_the_fourth_stops_it(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    card: Callable[..., str],
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
    deliver: Any,
) -> None:
    """After 1, 6 and 24 hours it is tried again; then somebody has to say so."""
    card("no funds")
    use(acme_support, 900, now)
    at = now
    for pause in (1, 6, 24):
        assert look_at_all(now=at, limit=10) == 1
        assert standing(automatic) == ("on", "declined")
        assert automatic.look_at == at + pause * HOUR
        assert look_at_all(now=at + pause * HOUR - MINUTE, limit=10) == 0
        at += pause * HOUR
    look_at_all(now=at, limit=10)
    assert standing(automatic) == ("stopped", "declined")
    assert automatic.detail == "There is not enough money on the card."
    assert look_at_all(now=at + 1000 * HOUR, limit=10) == 0
    for event in stripe.events[::-1]:
        if event["type"] == "payment_intent.payment_failed":
            deliver(event)
    assert mails() == ["declined"] * 4
    said = [mail.body_text for mail in Mail.objects.filter(key__contains="declined").order_by("pk")]
    assert "It is tried again on" in said[0]
    assert "It is not tried again by itself." in said[3]
    assert month() == (0, Decimal(0))
    assert {row["status"] for row in stripe.rows("payment_intent")} == {"canceled"}
    card("card")
    resume(automatic=automatic, resumed_by=client_admin, now=at)
    assert look_at_all(now=at, limit=10) == 1
    assert granted() == (1, 1, 1)
    assert differences() == []


def test_a_stolen_card_is_not_tried_again(
    automatic: AutomaticTopUp, card: Callable[..., str], acme_support: Workspace, now: dt.datetime
) -> None:
    card("stolen")
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    assert standing(automatic) == ("stopped", "declined")


def test_without_a_card_it_stops_and_says_so(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
) -> None:
    remove_card(customer=ensure_customer(client=acme_support.client, now=now), now=now)
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    assert standing(automatic) == ("stopped", "no_card")
    assert mails() == ["event"]
    assert not TopUpOrder.objects.exists()


# --- The bank asks for the card's holder ---------------------------------------------------------


@pytest.fixture
def asked(
    automatic: AutomaticTopUp, card: Callable[..., str], acme_support: Workspace, now: dt.datetime
) -> TopUpOrder:
    """Charged, and to be confirmed."""
    card("3ds always")
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    return TopUpOrder.objects.get()


def test_the_admins_are_told_where_to_confirm(
    stripe: StripeDouble,
    asked: TopUpOrder,
    automatic: AutomaticTopUp,
    now: dt.datetime,
    deliver: Any,
) -> None:
    assert (asked.state, asked.waits_for_holder) == ("pending", True)
    for event in stripe.events:
        deliver(event)
    look_at_open_orders(now=now + 2 * MINUTE, limit=10)
    assert mails() == ["confirm"]
    mail = Mail.objects.get(key__contains="confirm")
    assert f"/portal/{asked.client_id}/orders/{asked.pk}/" in mail.body_text
    assert look_at_all(now=now + HOUR, limit=10) == 0
    assert standing(automatic) == ("on", "")


def test_confirmed_it_is_granted_once(
    stripe: StripeDouble, asked: TopUpOrder, now: dt.datetime, deliver: Any
) -> None:
    for _ in range(2):
        there = confirm_payment(order=asked, now=now)
        assert there.pay_url == f"{stripe.url}/authenticate/{asked.intent_id}"
    stripe.authenticate(asked.intent_id or "")
    for event in stripe.events * 2:
        deliver(event)
    assert granted() == (1, 1, 1)
    assert len(stripe.rows("payment_intent")) == 1
    assert month() == (1, Decimal(60))


def test_not_recognised_it_stops(
    stripe: StripeDouble, asked: TopUpOrder, automatic: AutomaticTopUp, now: dt.datetime
) -> None:
    there = confirm_payment(order=asked, now=now)
    stripe.authenticate(asked.intent_id or "", ok=False)
    look_at_order(order=there, now=now)
    assert standing(automatic) == ("stopped", "unconfirmed")
    assert (month(), granted()) == ((0, Decimal(0)), (0, 0, 0))
    assert mails() == ["confirm", "declined"]


def test_nobody_confirms_for_a_day_it_is_cancelled_and_stops(
    stripe: StripeDouble, asked: TopUpOrder, automatic: AutomaticTopUp, now: dt.datetime
) -> None:
    look_at_open_orders(now=now + 23 * HOUR, limit=10)
    assert standing(automatic) == ("on", "")
    look_at_open_orders(now=now + 48 * HOUR, limit=10)
    assert standing(automatic) == ("stopped", "unconfirmed")
    assert stripe.last("payment_intent")["status"] == "canceled"
    assert month() == (0, Decimal(0))


def test_switching_off_cancels_what_waits_for_its_holder(
    stripe: StripeDouble,
    asked: TopUpOrder,
    automatic: AutomaticTopUp,
    client_admin: User,
    now: dt.datetime,
) -> None:
    switch_off(automatic=automatic, ended_by=client_admin, now=now)
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert stripe.last("payment_intent")["status"] == "canceled"
    assert AutomaticPurchase.objects.get().state == "failed"


@pytest.mark.parametrize("answer", ["drop", "lose"])
def test_switched_off_nothing_is_charged_that_stripe_had_not_heard_of(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
    answer: str,
) -> None:
    """Dropped, Stripe was never asked, and is not any more; lost, the card was charged already."""
    use(acme_support, 900, now)
    stripe.breaks = [answer] * 2
    look_at_all(now=now, limit=10)
    switch_off(automatic=automatic, ended_by=client_admin, now=now)
    look_at_open_orders(now=now + MINUTE, limit=10)
    assert TopUpOrder.objects.get().state == "pending"  # the call may still be on its way
    look_at_open_orders(now=now + HOUR, limit=10)
    was_charged = answer == "lose"
    assert TopUpOrder.objects.get().state == ("paid" if was_charged else "cancelled")
    assert len(stripe.rows("payment_intent")) == was_charged
    assert granted() == (was_charged,) * 3


def test_under_other_terms_what_stripe_had_not_heard_of_is_dropped_and_bought_anew(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    """The purchase of before was within what was agreed to before, and is not made any more."""
    use(acme_support, 900, now)
    stripe.breaks = ["drop"] * 2
    look_at_all(now=now, limit=10)
    consent(acme_support, growth, client_admin, now, max_count=1)
    look_at_open_orders(now=now + 5 * MINUTE, limit=10)
    assert (standing(automatic), mails()) == (("on", ""), [])
    look_at_all(now=now + 5 * MINUTE, limit=10)
    states = AutomaticPurchase.objects.order_by("number").values_list("state", flat=True)
    assert list(states) == ["failed", "bought"]
    assert (len(stripe.rows("charge")), month()) == (1, (1, Decimal(60)))


# --- Slow, twice, in another order, and killed in between ----------------------------------------


def test_while_a_payment_is_on_its_way_nothing_else_is_bought(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    card: Callable[..., str],
    acme_support: Workspace,
    now: dt.datetime,
    deliver: Any,
) -> None:
    """A bank debit takes days; usage goes on meanwhile."""
    card("debit")
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    for hour in range(1, 6):
        use(acme_support, 30, now + hour * HOUR)
        assert look_at_all(now=now + hour * HOUR, limit=10) == 0
    (intent,) = stripe.rows("payment_intent")
    stripe.settle(intent["id"])
    for event in [*stripe.events[::-1], *stripe.events]:
        deliver(event)
    assert granted() == (1, 1, 1)


def test_events_that_come_before_the_answer_is_written_grant_once(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
    deliver: Any,
) -> None:
    """The answer of the charge is lost; Stripe's events come twice and backwards."""
    use(acme_support, 900, now)
    stripe.breaks = ["lose"] * 2
    look_at_all(now=now, limit=10)
    assert AutomaticPurchase.objects.get().state == "open"
    for event in [*stripe.events[::-1], *stripe.events]:
        deliver(event)
    look_at_open_orders(now=now + MINUTE, limit=10)
    assert (granted(), len(stripe.rows("charge"))) == ((1, 1, 1), 1)


def test_killed_after_the_intent_the_tick_charges_it(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(acme_support, 900, now)
    with killed_at("billing.services.automatic_buying.begin_payment"):
        look_at_all(now=now, limit=10)
    assert stripe.rows("payment_intent") == []
    assert look_at_all(now=now + MINUTE, limit=10) == 0
    look_at_open_orders(now=now + MINUTE, limit=10)
    assert (granted(), len(stripe.rows("charge"))) == ((1, 1, 1), 1)


def test_killed_after_the_charge_it_is_found_and_not_charged_again(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(acme_support, 900, now)
    with killed_at("billing.services.top_up_orders._take_in"):
        look_at_all(now=now, limit=10)
    assert len(stripe.rows("charge")) == 1
    look_at_all(now=now + MINUTE, limit=10)
    look_at_open_orders(now=now + MINUTE, limit=10)
    assert (granted(), len(stripe.rows("charge"))) == ((1, 1, 1), 1)


def test_killed_after_a_decline_was_heard_it_pauses_once(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    card: Callable[..., str],
    acme_support: Workspace,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card("no funds")
    use(acme_support, 900, now)
    with killed_at("billing.services.top_up_orders._record"):
        look_at_all(now=now, limit=10)
    look_at_open_orders(now=now + MINUTE, limit=10)
    assert (standing(automatic), automatic.declines) == (("on", "declined"), 1)
    assert (mails(), len(stripe.rows("payment_intent"))) == (["declined"], 1)


def test_while_nobody_knows_whether_it_was_charged_nothing_else_is_bought(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
) -> None:
    """Stripe gives no answer for a day. Somebody looks, and says that nothing was paid."""
    use(acme_support, 900, now)
    stripe.breaks = ["drop"] * 2
    look_at_all(now=now, limit=10)
    late = now + ASKED_AGAIN_FOR
    look_at_open_orders(now=late, limit=10)
    order = TopUpOrder.objects.get()
    assert (order.state, bool(order.trouble)) == ("failed", True)
    use(acme_support, 1, late)
    assert look_at_all(now=late, limit=10) == 0
    close_without_payment(order=order, now=late)
    assert month() == (0, Decimal(0))
    assert look_at_all(now=late, limit=10) == 1


def test_paid_and_not_granted_blocks_and_on_the_balance_it_stops(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    operator: User,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no room")

    use(acme_support, 900, now)
    with monkeypatch.context() as failing:
        failing.setattr("billing.services.order_fulfilment.book", broken)
        look_at_all(now=now, limit=10)
    order = TopUpOrder.objects.get()
    assert (order.state, bool(order.trouble)) == ("paid", True)
    assert look_at_all(now=now + HOUR, limit=10) == 0
    move_to_balance(order=order, moved_by=operator, now=now)
    assert standing(automatic) == ("stopped", "not_granted")
    assert month() == (1, Decimal(60))


def test_paid_after_it_had_ended_it_counts_or_goes_to_the_balance(
    stripe: StripeDouble,
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
) -> None:
    """Said to be unpaid, and paid all the same; one a month is allowed, and was bought since."""
    consent(acme_support, growth, client_admin, now, max_count=1)
    use(acme_support, 900, now)
    stripe.breaks = ["lose"] * 2
    look_at_all(now=now, limit=10)
    order = TopUpOrder.objects.get()
    TopUpOrder.objects.update(state="failed", trouble="Nobody knows.")
    close_without_payment(order=order, now=now)
    look_at_all(now=now, limit=10)
    assert granted() == (1, 1, 1)
    order.refresh_from_db()
    begin_payment(order=order, now=now)
    TopUpOrder.objects.filter(pk=order.pk).update(intent_id=stripe.rows("payment_intent")[1]["id"])
    order.refresh_from_db()
    done = look_at_order(order=order, now=now)
    assert (done.state, done.purchase) == ("paid", None)
    assert "its month has no room" in done.failure
    assert (granted(), month()) == ((1, 1, 1), (1, Decimal(60)))


# --- What was agreed to is no more ---------------------------------------------------------------


def test_other_terms_ask_again(
    automatic: AutomaticTopUp,
    growth: TopUpBand,
    acme_support: Workspace,
    client_admin: User,
    now: dt.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("automatic_buying", "automatic_consent"):
        monkeypatch.setattr(f"billing.services.{module}.TERMS_VERSION", "2027-01")
    use(acme_support, 900, now)
    assert look_at_all(now=now, limit=10) == 0
    assert standing(automatic) == ("stopped", "terms")
    with pytest.raises(RefusedError, match="Switch it on anew"):
        resume(automatic=automatic, resumed_by=client_admin, now=now)
    consent(acme_support, growth, client_admin, now)
    assert look_at_all(now=now, limit=10) == 1


@pytest.mark.parametrize(("price", "goes_on"), [("60", True), ("65", False)])
def test_another_version_of_the_package(
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
    price: str,
    goes_on: bool,
) -> None:
    """The same band under it is what was agreed to; a dearer one is not."""
    plan = starter(top_ups=[band(price=price)], minimum_commitment="1")
    version = import_plan(agency=acme_support.agency, document=plan, now=now)
    change_plan(
        subscription=acme_support.subscriptions.get(),
        plan_version=version,
        when="now",
        now=now,
        changed_by=None,
        reason="",
    )
    use(acme_support, 1400, now)
    look_at_all(now=now, limit=10)
    assert (standing(automatic), granted()[0]) == (
        (("on", ""), 1) if goes_on else (("stopped", "offer"), 0)
    )


def test_a_consent_cannot_come_from_nowhere(
    automatic: AutomaticTopUp, acme_support: Workspace, now: dt.datetime
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AutomaticTopUp.objects.update(consent=None)
    assert automatic_consent.MOST_A_MONTH == 100


# --- The proof -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        (
            lambda: AutomaticPurchase.objects.update(made_at=MARCH),
            "a purchase without a consent in force",
        ),
        (lambda: AutomaticPurchase.objects.update(left=201), "left: 201, but it must be at most"),
        (lambda: AutomaticPurchase.objects.update(gross=61), "gross: 61, but it must be 60"),
        (lambda: TopUpConsent.objects.update(max_amount=59), "amount: 60, but it must be at most"),
        (lambda: AutomaticTopUpMonth.objects.update(count=0), "count: 0, but it must be 1"),
        (
            lambda: AutomaticTopUpEvent.objects.all().delete(),
            "a consent that nothing tells of",
        ),
        (
            lambda: AutomaticTopUp.objects.update(state="off", consent=None),
            "consent:",
        ),
    ],
)
def test_what_was_tampered_with_is_found(
    automatic: AutomaticTopUp,
    acme_support: Workspace,
    now: dt.datetime,
    tampered: Callable[[], Any],
    said: str,
) -> None:
    use(acme_support, 900, now)
    look_at_all(now=now, limit=10)
    assert differences() == []
    with lifted(reason="a test tampers with rows"):
        tampered()
    assert any(said in found for found in differences()), differences()
