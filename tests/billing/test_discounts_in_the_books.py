"""Discounts through the books: with the fees in advance, on overage at the close, and by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import transaction

from billing.discounts import DiscountDocument
from billing.models import BillingPeriod, Charge, SubscriptionDiscount, TaxRate
from billing.refusals import RefusedError
from billing.scenario import parse_scenario
from billing.services.discounts import add_discount, end_discount
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.plan_changes import change_plan
from billing.services.plans import export_plan, import_plan
from billing.services.subscriptions import end, ensure_due_periods
from billing.simulation import simulate

from .books import Comparable, keep_books, simulated
from .lifecycles import invoice, standing
from .plan_samples import NEW_YORK_2026, starter
from .scenario_samples import scenario
from .story import close, lines_of, periods_of, subscribe, use

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY, MARCH, APRIL = (NEW_YORK_2026[month] for month in range(1, 5))
DAY = dt.timedelta(days=1)
D = Decimal
BASE = [{"name": "Base", "kind": "base", "amount": "49.99", "when": "period"}]
SETUP = {"name": "Setup", "kind": "implementation", "amount": "100", "when": "once"}


def told(document: dict[str, Any]) -> Comparable:
    """The closed periods of the books, which the simulator foresaw."""
    parsed = parse_scenario(document)
    with transaction.atomic():
        books = keep_books(parsed, Random(3))
        transaction.set_rollback(True)
    assert books == simulated(simulate(parsed), parsed.until)
    return books


def lines(period: dict[str, Any]) -> list[tuple[str, str]]:
    return [(kind, amount) for kind, _, _, amount in period["lines"]]


def test_of_a_package_for_two_periods() -> None:
    """10 % of 49.99 is 5.00, of 20 x 0.10 is 0.20; what is asked once is left alone."""
    january, february, march = told(
        scenario(
            usage={"2026-01-05": "120", "2026-02-05": "120", "2026-03-05": "120"},
            fees=[SETUP, *BASE],
            plan={
                "discounts": [
                    {"name": "Launch", "on": "fees", "percent": "10", "periods": 2},
                    {"name": "Loyal", "on": "overage", "percent": "10"},
                ]
            },
        )
    )

    assert lines(january) == [
        ("base", "49.99"),
        ("discount", "-0.2"),
        ("discount", "-5"),
        ("implementation", "100"),
        ("overage", "2"),
    ]
    assert [p["total"] for p in (january, february, march)] == ["146.79", "46.79", "51.79"]


def test_an_amount_on_all_is_taken_off_fees_and_then_overage() -> None:
    """60 a period: 49.99 off the fee, the rest, 10.01, off an overage of 30."""
    (january, *_) = told(
        scenario(
            usage={"2026-01-05": "400"},
            fees=BASE,
            plan={"discounts": [{"name": "Voucher", "on": "all", "amount": "60", "periods": 1}]},
        )
    )

    assert lines(january) == [
        ("base", "49.99"),
        ("discount", "-10.01"),
        ("discount", "-49.99"),
        ("overage", "30"),
    ]


def test_in_a_partial_period_the_amount_is_prorated() -> None:
    """From 22 January: 10 of 31 days, so 31 x 10 / 31 = 10 off 16.13; then 31 off."""
    january, february, _ = told(
        scenario(
            start="2026-01-22T00:00:00Z",
            fees=BASE,
            plan={"discounts": [{"name": "Voucher", "on": "fees", "amount": "31"}]},
        )
    )

    assert lines(january) == [("base", "16.13"), ("discount", "-10")]
    assert lines(february) == [("base", "49.99"), ("discount", "-31")]


def test_a_minimum_is_a_minimum_of_what_is_left_after_discounts() -> None:
    """Overage 20 less 50 % is 10; the minimum of 15 lacks 5. Fees do not count either way."""
    (january, *_) = told(
        scenario(
            usage={"2026-01-05": "300"},
            fees=BASE,
            plan={
                "minimum_commitment": "15",
                "discounts": [{"name": "Half", "on": "all", "percent": "50"}],
            },
        )
    )

    assert lines(january) == [
        ("base", "49.99"),
        ("discount", "-10"),
        ("discount", "-25"),
        ("minimum", "5"),
        ("overage", "20"),
    ]


def test_a_cap_limits_the_price_before_discounts() -> None:
    (january, *_) = told(
        scenario(
            usage={"2026-01-05": "300"},
            overage={
                "policy": "bill",
                "pricing": {"model": "per_unit", "unit_amount": "0.10"},
                "cap_amount": "8",
            },
            plan={"discounts": [{"name": "Half", "on": "overage", "percent": "50"}]},
        )
    )

    assert lines(january) == [("discount", "-4"), ("overage", "8")]


def test_agreed_for_the_subscription_from_a_date_on() -> None:
    """On 10 February: in the periods that start after it. Before the package's own come first."""
    january, february, march, april = told(
        scenario(
            fees=BASE,
            plan={"discounts": [{"name": "List", "on": "fees", "percent": "10"}]},
            discounts=[
                {
                    "name": "Sorry",
                    "on": "fees",
                    "amount": "5",
                    "effective_at": "2026-02-10T00:00:00Z",
                    "expires_at": "2026-04-01T00:00:00Z",
                }
            ],
            until="2026-05-01T00:00:00Z",
        )
    )

    assert [p["total"] for p in (january, february, march, april)] == [
        "44.99",
        "44.99",
        "39.99",
        "44.99",
    ]


def test_what_the_agency_collects_is_its_own_to_discount() -> None:
    fees = [BASE[0] | {"collected_by": "agency"}]
    (january, *_) = told(
        scenario(fees=fees, plan={"discounts": [{"name": "A", "on": "all", "percent": "50"}]})
    )

    assert lines(january) == [("base", "49.99")]


def test_a_package_reads_back_with_its_discounts(northwind, conversation):
    discounts = [
        {"name": "Launch", "on": "fees", "percent": "12.5", "periods": 3},
        {"name": "Voucher", "on": "all", "amount": "50"},
    ]
    first = import_plan(agency=northwind, document=starter(discounts=discounts), now=JANUARY)

    assert export_plan(first)["plan"]["discounts"] == discounts
    assert import_plan(agency=northwind, document=export_plan(first), now=FEBRUARY) == first
    assert import_plan(agency=northwind, document=starter(), now=FEBRUARY).number == 2


# --- By hand -----------------------------------------------------------------------------------


def agree(subscription: Any, at: dt.datetime, now: dt.datetime, **more: Any) -> Any:
    said: dict[str, Any] = {"name": "Sorry", "on": "fees", "percent": D(10)} | more
    return add_discount(
        subscription=subscription,
        discount=DiscountDocument(**said),
        effective_at=at,
        now=now,
        key="k",
    )


def test_fees_that_were_asked_in_advance_are_discounted_at_once(acme_support, conversation):
    """499.00 of January is invoiced; 49.90 come off, and off February's, which waits."""
    subscription = subscribe(acme_support, starter(), JANUARY)

    agree(subscription, JANUARY, JANUARY + 3 * DAY)

    january, february = periods_of(acme_support)
    assert lines_of(january)[-1] == ("discount", "1", "-49.90")
    assert lines_of(february)[-1] == ("discount", "1", "-49.90")
    row = Charge.objects.filter(kind="discount").first()
    assert (row.description, row.bill_at) == ("Discount: Sorry", JANUARY)
    assert row.details["charged"] == "499"


def test_asking_again_agrees_once(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    first = agree(subscription, FEBRUARY, JANUARY)

    assert agree(subscription, FEBRUARY, JANUARY + DAY) == first
    with pytest.raises(RefusedError, match="agreed on Sorry when it was sent before"):
        agree(subscription, FEBRUARY, JANUARY, percent=D(11))
    assert SubscriptionDiscount.objects.count() == 1


def test_one_that_ends_is_charged_again_where_it_was_taken_in_advance(acme_support, conversation):
    """Ended in January: February's discount is taken back on February's invoice, January's stays,
    and January's overage is discounted when it closes."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    agreed = agree(subscription, JANUARY, JANUARY, on="all")
    use(acme_support, conversation, JANUARY + DAY, 1200)

    end_discount(discount=agreed, now=JANUARY + 3 * DAY)
    january, february = periods_of(acme_support)
    close(january)
    close(february)

    assert [line for line in lines_of(january) if line[0] == "discount"] == [
        ("discount", "1", "-49.90"),
        ("discount", "1", "-250.00"),
        ("discount", "1", "-2.00"),
    ]
    assert lines_of(february)[1:] == [("discount", "1", "-49.90"), ("discount", "1", "49.90")]
    back = Charge.objects.get(period=february, amount__gt=0, kind="discount")
    assert (back.description, back.bill_at) == ("Discount taken back: Sorry", FEBRUARY)
    assert lines_of(periods_of(acme_support)[2]) == [("base", "1", "499.00")]


def test_ending_twice_is_ending_once(acme_support, conversation, row_counts):
    subscription = subscribe(acme_support, starter(), JANUARY)
    agreed = agree(subscription, JANUARY, JANUARY)
    ended = end_discount(discount=agreed, now=JANUARY + DAY)
    before = row_counts()

    again = end_discount(discount=agreed, now=JANUARY + 2 * DAY)

    assert (again.expires_at, row_counts()) == (ended.expires_at, before)


def test_a_closed_period_stays_as_it_is(acme_support, conversation):
    subscription = subscribe(acme_support, starter(), JANUARY)
    close(periods_of(acme_support)[0])

    with pytest.raises(RefusedError, match="is closed and stays as it is") as refused:
        agree(subscription, JANUARY, FEBRUARY + 2 * DAY)
    assert refused.value.field == "effective_at"

    agreed = agree(subscription, FEBRUARY, FEBRUARY + 2 * DAY)
    close(periods_of(acme_support)[1])
    with pytest.raises(RefusedError, match="is closed"):
        end_discount(discount=agreed, now=MARCH + 2 * DAY, expires_at=FEBRUARY)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "  "}, "name"),
        ({"percent": D(0)}, "percent"),
        ({"percent": D(101)}, "percent"),
        ({"percent": None}, "percent"),
        ({"amount": D(5)}, "percent"),
        ({"percent": None, "amount": D(-5)}, "amount"),
        ({"periods": 0}, "periods"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(acme_support, conversation, change, field):
    subscription = subscribe(acme_support, starter(), JANUARY)

    with pytest.raises(RefusedError) as refused:
        agree(subscription, JANUARY, JANUARY, **change)

    assert refused.value.field == field
    assert not SubscriptionDiscount.objects.exists()


# --- Where subscriptions change ----------------------------------------------------------------


def test_a_credit_on_a_fee_takes_its_part_of_the_discount_back(
    acme_support, conversation, platform, proved
):
    """Ten percent off 499.00, invoiced. Ended with 10 January: 499.00 is credited and 160.97 asked,
    so 33.80 of the 49.90 are taken back, and 16.10 stay: ten percent of 160.97. February's lines
    are on no invoice: nobody reads of them."""
    plan = starter(discounts=[{"name": "Loyal", "on": "fees", "percent": "10"}])
    subscription = subscribe(acme_support, plan, JANUARY)
    invoice(JANUARY)

    end(subscription=subscription, end=JANUARY + 10 * DAY, now=JANUARY + 3 * DAY)

    (january,) = periods_of(acme_support)
    assert standing(january) == [
        ("implementation", "2500.00"),
        ("base", "499.00"),
        ("discount", "-49.90"),
        ("credit", "-499.00"),
        ("base", "160.97"),
        ("discount", "33.80"),
    ]
    (february,) = BillingPeriod.with_withdrawn.filter(start=FEBRUARY)
    assert standing(february) == []


def test_what_was_agreed_goes_on_under_another_plan(acme_support, conversation, platform, proved):
    """Half off three periods' fees, agreed before the plan changes on the 16th: both parts of
    January are the first of the three."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    agree(subscription, JANUARY, JANUARY, percent=D(50), periods=3)
    other = starter(name="Growth")
    other["fees"] = [{"name": "Growth", "kind": "base", "amount": "999", "when": "period"}]
    version = import_plan(agency=acme_support.agency, document=other, now=JANUARY)

    change_plan(subscription=subscription, plan_version=version, when="now", now=JANUARY + 15 * DAY)
    ensure_due_periods(now=MARCH)

    discounts = [
        sum(D(amount) for kind, amount in standing(period) if kind == "discount")
        for period in periods_of(acme_support)
    ]
    assert discounts == [D("-120.73"), D("-257.81"), D("-499.50"), D("-499.50"), 0]


def test_a_discount_is_off_before_tax(acme_support, conversation) -> None:
    """A fee of 100.00 less a tenth, at 19 %: 90.00 and 17.10, not 100.00 and 19.00 less 11.90."""
    TaxRate.objects.create(
        agency=acme_support.agency,
        country="US",
        category="S",
        percent=D(19),
        effective_from=dt.date(2020, 1, 1),
    )
    plan = starter(
        fees=[{"name": "Base", "kind": "base", "amount": "100.00", "when": "period"}],
        discounts=[{"name": "Launch", "on": "fees", "percent": "10"}],
    )
    subscribe(acme_support, plan, JANUARY)
    draft_invoices(now=JANUARY)
    ((issued,), _failed) = issue_due_invoices(now=JANUARY)

    assert [(line.kind, line.net) for line in issued.lines.order_by("position")] == [
        ("base", D(100)),
        ("discount", D(-10)),
    ]
    (tax,) = issued.taxes.all()
    assert (tax.base, tax.tax) == (D(90), D("17.10"))
    assert (issued.net, issued.tax, issued.total) == (D(90), D("17.10"), D("107.10"))
