"""Monthly payouts: what is in them, when they are made, what is carried, and what they say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import CollectedBy, Mail
from clients.models import AgencyMember, User
from payouts.documents.statement_snapshot import StatementSnapshot
from payouts.models import Earning, Payout, PayoutItem, StatementDocument
from payouts.services.earnings import post_due_earnings
from payouts.services.payouts import PayoutsNotBuiltError, build_payouts
from payouts.services.statements import statement_snapshot
from payouts.services.terms import add_fee_rule, set_payout_terms

from .books import Line, closed_period, frozen_usage, issued_invoice, pay, subscription

D = Decimal
UTC = dt.UTC
FEBRUARY_ENDS = dt.datetime(2026, 3, 1, 5, tzinfo=UTC)
"""Midnight in New York, where Northwind lives."""
APRIL = dt.datetime(2026, 4, 1, 4, tzinfo=UTC)


def earn(agency, amount: str, at: dt.datetime, **more) -> Earning:
    values = {"kind": Earning.Kind.ADJUSTMENT, "currency": "USD", "description": "Thank you"}
    key = f"test:{Earning.objects.count()}"
    return Earning.objects.create(
        agency=agency, amount=D(amount), occurred_at=at, key=key, **(values | more)
    )


def february(day: int) -> dt.datetime:
    return dt.datetime(2026, 2, day, 12, tzinfo=UTC)


def test_a_month_is_paid_out_when_its_day_has_come_in_the_agencys_zone(northwind):
    earn(northwind, "10.00", february(28))

    assert build_payouts(now=FEBRUARY_ENDS - dt.timedelta(microseconds=1)) == []
    [payout] = build_payouts(now=FEBRUARY_ENDS)
    assert (payout.month, payout.month_end) == (dt.date(2026, 2, 1), FEBRUARY_ENDS)
    assert (payout.amount, payout.state) == (D("10.00"), "draft")


def test_the_payout_day_is_the_agencys(northwind):
    set_payout_terms(agency=northwind, payout_day=15, now=february(1))
    earn(northwind, "10.00", february(28))
    due = dt.datetime(2026, 3, 15, 4, tzinfo=UTC)

    assert build_payouts(now=due - dt.timedelta(seconds=1)) == []
    assert len(build_payouts(now=due)) == 1


def test_an_earning_at_the_very_end_of_a_month_belongs_to_the_next(northwind):
    earn(northwind, "1.00", FEBRUARY_ENDS - dt.timedelta(microseconds=1))
    earn(northwind, "2.00", FEBRUARY_ENDS)

    assert [(p.month.month, p.amount) for p in build_payouts(now=APRIL)] == [
        (2, D("1.00")),
        (3, D("2.00")),
    ]


def test_every_earning_is_in_exactly_one_payout_however_often_it_is_run(northwind):
    for day in (1, 15, 28):
        earn(northwind, "5.00", february(day))
    build_payouts(now=APRIL)

    assert build_payouts(now=APRIL) == []
    assert PayoutItem.objects.count() == 3
    assert Payout.objects.get().revenue == 0
    assert not Earning.objects.unpaid().exists()


def test_an_earning_that_arrives_after_its_months_payout_goes_into_the_next(northwind):
    earn(northwind, "5.00", february(10))
    build_payouts(now=FEBRUARY_ENDS)
    earn(northwind, "7.00", february(11))

    assert build_payouts(now=FEBRUARY_ENDS + dt.timedelta(days=20)) == []
    [march] = build_payouts(now=APRIL)
    assert (march.month, march.amount) == (dt.date(2026, 3, 1), D("7.00"))


def test_a_debt_is_carried_forward_until_it_is_earned(northwind):
    earn(northwind, "-30.00", february(10))
    earn(northwind, "50.00", dt.datetime(2026, 3, 20, tzinfo=UTC))

    first, second = build_payouts(now=APRIL)

    assert (first.amount, first.closing, first.state) == (0, D("-30.00"), "carried")
    assert (second.opening, second.amount, second.closing) == (D("-30.00"), D("20.00"), 0)


def test_less_than_the_minimum_is_carried_through_months_without_earnings(northwind):
    set_payout_terms(agency=northwind, minimum_amount=D("25.00"), now=february(1))
    earn(northwind, "24.99", dt.datetime(2026, 1, 20, tzinfo=UTC))
    earn(northwind, "0.01", dt.datetime(2026, 3, 20, tzinfo=UTC))

    assert [(p.opening, p.amount, p.closing) for p in build_payouts(now=APRIL)] == [
        (D(0), D(0), D("24.99")),
        (D("24.99"), D(0), D("24.99")),
        (D("24.99"), D("25.00"), D(0)),
    ]


def test_months_without_earnings_and_balance_have_no_payout(northwind):
    earn(northwind, "1.00", dt.datetime(2025, 11, 20, tzinfo=UTC))
    earn(northwind, "2.00", february(20))

    assert [p.month.month for p in build_payouts(now=APRIL)] == [11, 2]


def test_currencies_and_agencies_are_paid_apart(northwind, harbor):
    earn(northwind, "1.00", february(1))
    earn(northwind, "2.00", february(1), currency="EUR")
    earn(harbor, "3.00", february(1), currency="EUR")

    built = build_payouts(now=APRIL)

    assert [(p.agency.slug, p.currency, p.amount) for p in built] == [
        ("northwind", "EUR", D("2.00")),
        ("northwind", "USD", D("1.00")),
        ("harbor", "EUR", D("3.00")),
    ]
    assert [p.number for p in built] == ["PAY-2026-000001", "PAY-2026-000002", "PAY-2026-000003"]


def test_one_agency_can_be_built_alone(northwind, harbor):
    earn(northwind, "1.00", february(1))
    earn(harbor, "3.00", february(1), currency="EUR")

    assert [p.agency for p in build_payouts(now=APRIL, agency=harbor)] == [harbor]


def test_an_agency_whose_payout_fails_holds_up_no_other(northwind, harbor, monkeypatch):
    from payouts.services import payouts as service

    earn(northwind, "1.00", february(1))
    earn(harbor, "3.00", february(1), currency="EUR")
    real = statement_snapshot

    def failing(payout, *args, **kwargs):
        if payout.agency == northwind:
            raise ValueError("the printer is on fire")
        return real(payout, *args, **kwargs)

    monkeypatch.setattr(service, "statement_snapshot", failing)
    with pytest.raises(PayoutsNotBuiltError, match="the printer is on fire") as raised:
        build_payouts(now=APRIL)

    assert [p.agency for p in raised.value.built] == [harbor]
    assert Payout.objects.get().number == "PAY-2026-000001", "the failure left no gap"
    assert PayoutItem.objects.count() == 1


def test_a_payout_without_an_operator_to_pay_it_says_what_is_missing(northwind, platform):
    earn(northwind, "1.00", february(1))
    platform.delete()

    with pytest.raises(PayoutsNotBuiltError, match="no platform row"):
        build_payouts(now=APRIL)


# --- The statement -----------------------------------------------------------------------------


@pytest.fixture
def month(northwind, acme_support, birch_leads, conversation, now) -> Payout:
    """Northwind's February: Acme paid in two parts, Birch paid once, routed cost of both."""
    set_payout_terms(agency=northwind, account_hint="Bank account ending 4821", now=february(1))
    add_fee_rule(
        agency=northwind, percent=D(5), effective_from=dt.datetime(2026, 1, 1, tzinfo=UTC), now=now
    )
    acme, birch = (closed_period(subscription(w)) for w in (acme_support, birch_leads))
    frozen_usage(acme, conversation, used="1200", platform_cost="31.20")
    frozen_usage(birch, conversation, used="10", platform_cost="0.333")
    first = issued_invoice(
        acme,
        Line("base", "499.00"),
        Line("overage", "20.00", conversation),
        Line("implementation", "2500.00", collected_by=CollectedBy.AGENCY),
        number="INV-1",
    )
    second = issued_invoice(birch, Line("top_up", "60.00", conversation), number="INV-2")
    pay(first, "200.00", february(10))
    pay(second, "60.00", february(11))
    pay(first, "319.00", february(12))
    earn(northwind, "-4.50", february(14), client=acme.client, description="Goodwill")
    post_due_earnings(now=FEBRUARY_ENDS)
    [payout] = build_payouts(now=FEBRUARY_ENDS)
    return payout


def test_the_payout_states_how_its_amount_came_about(month):
    assert (month.revenue, month.routed_cost, month.platform_fee, month.adjustments) == (
        D("579.00"),
        D("31.53"),
        D("28.95"),
        D("-4.50"),
    )
    assert (month.opening, month.amount, month.closing) == (0, D("514.02"), 0)


def test_the_statement_is_frozen_with_the_breakdown_by_client_workspace_and_unit(month):
    month.refresh_from_db()
    statement = StatementSnapshot.from_dict(month.snapshot)

    assert [
        (client.name, space.slug, line.description, line.net, line.quantity)
        for client in statement.clients
        for space in client.workspaces
        for line in space.lines
    ] == [
        ("Acme", "acme-support", "conversations", D("-12.20"), D(1200)),
        ("Acme", "acme-support", "Base package", D("474.05"), None),
        ("Birch", "birch-leads", "conversations", D("56.67"), D(10)),
    ]
    assert (statement.totals.usage_revenue, statement.totals.fee_revenue) == (
        D("80.00"),
        D("499.00"),
    )


def test_the_statement_lists_payments_adjustments_and_what_the_agency_collects_itself(month):
    statement = StatementSnapshot.from_dict(month.snapshot)

    assert [(i.number, i.net, i.partial, i.paid_on.day) for i in statement.invoices] == [
        ("INV-1", D("200.00"), True, 10),
        ("INV-2", D("60.00"), False, 11),
        ("INV-1", D("319.00"), True, 12),
    ]
    assert [(a.client, a.description, a.amount) for a in statement.adjustments] == [
        ("Acme", "Goodwill", D("-4.50"))
    ]
    assert [(c.client, c.amount, c.invoice) for c in statement.collected_by_agency] == [
        ("Acme", D("2500.00"), "INV-1")
    ]
    assert statement.payout_account == "Bank account ending 4821"
    assert (statement.payer.name, statement.agency.name) == (
        "Agency Portal Inc.",
        "Northwind Automation LLC",
    )


def test_amounts_on_the_statement_are_written_with_the_currencys_digits(month):
    assert month.snapshot["totals"]["paid_out"] == "514.02"
    assert month.snapshot["totals"]["opening"] == "0.00"


def test_a_statement_is_to_be_rendered_for_every_payout(month):
    assert StatementDocument.objects.get().payout == month


def test_the_statement_goes_to_finance_and_without_any_to_the_owners(northwind, owner):
    left = User.objects.create_user("old@northwind.example", is_active=False)
    AgencyMember.objects.create(agency=northwind, user=left, role="finance")
    earn(northwind, "1.00", february(1))
    build_payouts(now=FEBRUARY_ENDS)
    finance = User.objects.create_user("finance@northwind.example")
    AgencyMember.objects.create(agency=northwind, user=finance, role="finance")
    earn(northwind, "1.00", dt.datetime(2026, 3, 10, tzinfo=UTC))
    build_payouts(now=APRIL)

    assert [mail.recipients for mail in Mail.objects.order_by("pk")] == [
        ["owner@northwind.example"],
        ["finance@northwind.example"],
    ]


def test_without_any_members_the_statement_goes_to_the_agencys_own_address(northwind):
    earn(northwind, "1.00", february(1))
    build_payouts(now=FEBRUARY_ENDS)

    assert Mail.objects.get().recipients == ["hello@northwind.example"]


def test_the_mail_says_what_is_paid_and_promises_nothing(northwind, owner):
    earn(northwind, "-1.00", february(1))
    earn(northwind, "1200.50", dt.datetime(2026, 3, 10, tzinfo=UTC))
    build_payouts(now=APRIL)

    carried, paid = Mail.objects.order_by("pk")
    assert "Nothing is paid out this month; −$1.00 is carried forward." in carried.body_text
    assert "It comes to $1,199.50." in paid.body_text
    assert "none of it is guaranteed" in paid.body_text
    assert paid.subject == "Payout statement PAY-2026-000002, March 2026"
