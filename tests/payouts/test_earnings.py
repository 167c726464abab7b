"""What posts as earnings, when, and only once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.crediting import Part
from billing.models import CollectedBy
from billing.services.credit_notes import issue_credit_note, void_invoice
from billing.services.disputes import record_dispute
from billing.services.waiting_credit import credit_waiting_charges
from clients.models import CostPayer, Platform, UsageEvent
from payouts.models import Earning
from payouts.services.earnings import EarningsNotPostedError, post_due_earnings
from payouts.services.terms import TermsRefusedError, add_fee_rule
from tests.billing import ledger

from .books import Line, closed_period, frozen_usage, issued_invoice, pay, subscription

D = Decimal
PAID = dt.datetime(2026, 2, 10, 15, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 2, 20, 15, tzinfo=dt.UTC)


def posted() -> list[tuple[str, Decimal]]:
    return [(earning.kind, earning.amount) for earning in Earning.objects.order_by("pk")]


@pytest.fixture
def january(acme_support):
    Platform.objects.get_or_create(defaults={"name": "Portal"})
    return closed_period(subscription(acme_support))


@pytest.fixture
def invoice(january, conversation):
    """499.00 base and 20.00 overage, 19 % tax on both: 617.61."""
    return issued_invoice(
        january,
        Line("base", "499.00", percent="19"),
        Line("overage", "20.00", conversation, percent="19"),
        number="INV-1",
        tax="98.61",
    )


@pytest.fixture
def fee(northwind, now):
    return add_fee_rule(
        agency=northwind,
        percent=D(5),
        effective_from=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        now=now,
    )


def test_an_invoice_earns_nothing_until_it_is_paid(invoice, fee):
    assert post_due_earnings(now=PAID) == 0


def test_a_payment_posts_revenue_net_of_tax_and_the_platforms_fee_by_line(invoice, fee, january):
    payment = pay(invoice, "617.61", PAID)

    assert post_due_earnings(now=PAID) == 4
    assert posted() == [
        ("revenue", D("499.00")),
        ("platform_fee", D("-24.95")),
        ("revenue", D("20.00")),
        ("platform_fee", D("-1.00")),
    ]
    earning = Earning.objects.get(kind="revenue", amount=D("20.00"))
    line = invoice.lines.get(kind="overage")
    assert earning.key == f"revenue:{payment.pk}:{line.pk}"
    assert (earning.unit, earning.workspace) == (line.unit, line.workspace)
    assert (earning.occurred_at, earning.period, earning.currency) == (PAID, january, "USD")


def test_posting_again_posts_nothing(invoice, fee):
    pay(invoice, "617.61", PAID)
    post_due_earnings(now=PAID)

    assert post_due_earnings(now=LATER) == 0


def test_part_payments_post_pro_rata_and_the_last_takes_the_remainder(invoice):
    pay(invoice, "200.00", PAID)
    post_due_earnings(now=PAID)
    pay(invoice, "417.61", LATER)
    post_due_earnings(now=LATER)

    # 519.00 x 200.00 / 617.61 = 168.07 of both lines: 161.59 and 6.48.
    assert posted() == [
        ("revenue", D("161.59")),
        ("revenue", D("6.48")),
        ("revenue", D("337.41")),
        ("revenue", D("13.52")),
    ]


def test_what_a_payment_brings_does_not_depend_on_when_it_is_posted(invoice):
    """Both part payments posted at once bring what they bring one by one."""
    pay(invoice, "200.00", PAID)
    pay(invoice, "417.61", LATER)
    post_due_earnings(now=LATER)

    assert [amount for _kind, amount in posted()] == [
        D("161.59"),
        D("6.48"),
        D("337.41"),
        D("13.52"),
    ]


def test_a_payment_that_is_received_later_posts_later(invoice):
    pay(invoice, "200.00", PAID)
    pay(invoice, "417.61", LATER)

    assert post_due_earnings(now=PAID) == 2


def test_what_the_agency_collects_itself_is_no_earning(january):
    invoice = issued_invoice(
        january,
        Line("base", "100.00"),
        Line("support", "300.00", collected_by=CollectedBy.AGENCY),
        number="INV-1",
    )
    pay(invoice, "100.00", PAID)
    post_due_earnings(now=PAID)

    assert posted() == [("revenue", D("100.00"))]


def test_a_credit_line_gives_revenue_and_fee_back(january, fee):
    invoice = issued_invoice(
        january, Line("base", "100.00"), Line("credit", "-20.00"), number="INV-1"
    )
    pay(invoice, "80.00", PAID)
    post_due_earnings(now=PAID)

    assert posted() == [
        ("revenue", D("100.00")),
        ("platform_fee", D("-5.00")),
        ("revenue", D("-20.00")),
        ("platform_fee", D("1.00")),
    ]


# --- Routed cost -------------------------------------------------------------------------------


def test_platform_paid_cost_posts_when_its_period_closes_paid_or_not(january, conversation):
    frozen_usage(january, conversation, used="1200", platform_cost="31.204999999")

    assert post_due_earnings(now=january.end) == 0, "the period closes a day after its end"
    assert post_due_earnings(now=january.closed_at) == 1
    earning = Earning.objects.get()
    assert (earning.kind, earning.amount) == ("routed_cost", D("-31.20"))
    assert (earning.occurred_at, earning.unit) == (january.closed_at, conversation)
    assert earning.description == "Routed cost: conversations, 2026-01-01 to 2026-01-31"


def test_posting_cost_again_posts_nothing(january, conversation):
    frozen_usage(january, conversation, platform_cost="31.20")
    post_due_earnings(now=PAID)

    assert post_due_earnings(now=LATER) == 0


def test_a_cost_below_half_a_cent_is_posted_as_nothing_and_not_looked_at_again(
    january, conversation
):
    frozen_usage(january, conversation, platform_cost="0.004999999")

    assert post_due_earnings(now=PAID) == 1
    assert posted() == [("routed_cost", D(0))]
    assert post_due_earnings(now=LATER) == 0


def test_agency_paid_usage_posts_no_cost(january, conversation):
    frozen_usage(january, conversation, used="1200")

    assert post_due_earnings(now=PAID) == 0


def event(period, unit, at: dt.datetime, cost: str, **more) -> UsageEvent:
    values = {
        "standing": UsageEvent.Standing.UNBILLED,
        "cost_payer": CostPayer.PLATFORM,
        "quantity": D(1),
        "client_cost": D(cost),
        "cost": D(cost),
    }
    return UsageEvent.objects.create(
        workspace=period.workspace,
        unit=unit,
        meter=unit.meters.get(),
        external_id=f"{at.isoformat()} {cost}",
        body_hash="0" * 32,
        occurred_at=at,
        recorded_at=at,
        **(values | more),
    )


def test_platform_paid_cost_of_units_outside_the_package_posts_too(january, conversation, page):
    frozen_usage(january, conversation, platform_cost="10.00")
    inside = january.start, january.end - dt.timedelta(microseconds=1)
    for at in (*inside, january.start - dt.timedelta(microseconds=1), january.end):
        event(january, page, at, "1.111")
    event(january, page, january.start, "50", cost_payer=CostPayer.AGENCY)
    event(january, page, january.start, "60", standing=UsageEvent.Standing.LATE)

    post_due_earnings(now=PAID)

    assert [(e.unit.slug, e.amount) for e in Earning.objects.order_by("pk")] == [
        ("conversation", D("-10.00")),
        ("page", D("-2.22")),
    ]


# --- Failures and terms ------------------------------------------------------------------------


def test_an_invoice_that_cannot_be_posted_holds_up_nothing_else(
    invoice, january, conversation, monkeypatch
):
    frozen_usage(january, conversation, platform_cost="31.20")
    pay(invoice, "617.61", PAID)

    def fail(*args, **kwargs):
        raise ValueError("the books are wet")

    monkeypatch.setattr("payouts.services.earnings.revenue_of", fail)
    with pytest.raises(EarningsNotPostedError) as raised:
        post_due_earnings(now=LATER)

    assert raised.value.failures == [f"invoice {invoice.pk}: the books are wet"]
    assert raised.value.posted == 1
    assert posted() == [("routed_cost", D("-31.20"))]


def test_a_fee_rule_cannot_reach_back_over_payments_that_are_posted(invoice, fee, northwind, now):
    pay(invoice, "617.61", PAID)
    post_due_earnings(now=PAID)

    with pytest.raises(TermsRefusedError, match="begin later"):
        add_fee_rule(agency=northwind, percent=D(7), effective_from=PAID, now=now)
    add_fee_rule(
        agency=northwind, percent=D(7), effective_from=PAID + dt.timedelta(seconds=1), now=now
    )


def test_the_same_fee_rule_twice_is_one_and_another_percentage_is_refused(fee, northwind, now):
    again = {"agency": northwind, "effective_from": fee.effective_from, "now": now}

    assert add_fee_rule(percent=D(5), **again) == fee
    with pytest.raises(TermsRefusedError, match="already"):
        add_fee_rule(percent=D(6), **again)


# --- Money that goes back ----------------------------------------------------------------------


def test_a_credit_note_takes_back_revenue_and_gives_back_the_fee(invoice, fee, now):
    """The overage, 20.00 and 3.80 of tax, was paid."""
    pay(invoice, "617.61", PAID)
    post_due_earnings(now=PAID)
    line = invoice.lines.get(kind="overage")
    note = issue_credit_note(
        invoice=invoice,
        parts=[Part(line.pk)],
        reason="Counted twice",
        created_by=None,
        now=LATER,
        key="n",
    )

    assert (note.total, note.to_balance) == (D("23.80"), D("23.80"))
    assert post_due_earnings(now=LATER) == 2
    assert posted()[4:] == [("refund", D("-20.00")), ("platform_fee", D("1.00"))]
    assert post_due_earnings(now=LATER) == 0


def test_a_credit_note_on_an_unpaid_invoice_is_looked_at_once(invoice, fee):
    void_invoice(invoice=invoice, reason="Wrong", created_by=None, now=PAID, key="v")
    assert post_due_earnings(now=PAID) == 1
    assert posted() == [("refund", D(0))]
    assert post_due_earnings(now=LATER) == 0


@pytest.mark.parametrize(
    ("ends", "kept"),
    [("won", D("493.05")), ("lost", D(0))],
)
def test_a_dispute_holds_back_once_and_ends_once(invoice, fee, ends, kept):
    payment = pay(invoice, "617.61", PAID)
    for state in ("opened", "opened", ends, ends):
        record_dispute(
            payment=payment,
            provider_id="dp_1",
            state=state,
            amount=D("617.61"),
            happened_at=LATER,
            now=LATER,
        )
        post_due_earnings(now=LATER)
        post_due_earnings(now=LATER)
    of = {kind: D(0) for kind in ("revenue", "dispute", "platform_fee")}
    for kind, amount in posted():
        of[kind] += amount
    assert of["revenue"] == D("519.00")
    assert of["dispute"] == (D(0) if ends == "won" else D("-519.00"))
    assert sum(of.values()) == kept


def test_credit_that_was_paid_out_is_a_refund(january, fee, now):
    start = january.start
    client = january.client
    ledger.charge(january, "-50.00", start, kind="credit")
    credit_waiting_charges(
        client=client, currency="USD", reason="They left", created_by=None, now=PAID, key="w"
    )
    assert post_due_earnings(now=PAID) == 2
    assert posted() == [("refund", D("-50.00")), ("platform_fee", D("2.50"))]
    assert post_due_earnings(now=LATER) == 0
