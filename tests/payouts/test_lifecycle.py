"""Payouts after they are made up: approved by somebody without a hand in them, paid once, or
carried into the next one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from agencyportal.core.append_only import AppendOnlyError, lifted
from billing.models import Mail
from billing.refusals import RefusedError
from clients.models import Agency, User
from payouts.models import CarriedOver, Payout, PayoutItem, PayoutTransition
from payouts.reconcile.findings import Difference
from payouts.reconcile.lifecycle import check_lifecycles
from payouts.reconcile.payouts import check_payouts
from payouts.reconcile.scope import Scope
from payouts.selectors.review import blockers_of, involved_in, review
from payouts.services.lifecycle import (
    approve_payout,
    cancel_payout,
    mark_failed,
    mark_paid,
    withdraw_approval,
)
from payouts.services.payouts import build_payouts
from payouts.services.terms import add_fee_rule, set_payout_terms

from .accounts import give_account
from .test_payouts import APRIL, FEBRUARY_ENDS, earn, february

D = Decimal
NOW = FEBRUARY_ENDS + dt.timedelta(hours=9)
MAY = dt.datetime(2026, 5, 1, 4, tzinfo=dt.UTC)


@pytest.fixture
def second(db: None) -> User:
    return User.objects.create_superuser("second@example.com", "demo-portal", name="Sven")


@pytest.fixture
def payout(northwind: Agency) -> Payout:
    """514.02 for February."""
    give_account(northwind)
    earn(northwind, "514.02", february(20))
    [made] = build_payouts(now=FEBRUARY_ENDS)
    return made


def approved(payout: Payout, by: User) -> Payout:
    approve_payout(payout=payout, approved_by=by, now=NOW, key=f"approve {payout.pk}")
    payout.refresh_from_db()
    return payout


def differences() -> list[str]:
    found = [*check_payouts(Scope()), *check_lifecycles(Scope())]
    return [str(finding) for finding in found if isinstance(finding, Difference)]


def test_a_payout_is_approved_and_paid_with_who_and_when(payout, operator, second):
    approved(payout, operator)
    paid_at = NOW + dt.timedelta(days=1)
    mark_paid(
        payout=payout, reference="Wire 7", paid_at=paid_at, by=second, now=paid_at, key="paid"
    )

    payout.refresh_from_db()
    assert payout.state == "paid"
    assert list(
        payout.transitions.values_list("number", "from_state", "to_state", "by", "happened_at")
    ) == [
        (1, "draft", "approved", operator.pk, NOW),
        (2, "approved", "paid", second.pk, paid_at),
    ]
    mail = Mail.objects.get(key=f"payout:{payout.number}:2")
    assert "$514.02 of payout PAY-2026-000001 for February 2026 is paid to you." in mail.body_text
    assert "Reference: Wire 7" in mail.body_text
    assert differences() == []


def test_the_same_decision_sent_twice_is_one(payout, operator):
    approved(payout, operator)
    approved(payout, operator)

    assert PayoutTransition.objects.count() == 1


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (mark_paid, "it cannot become paid"),
        (mark_failed, "it cannot become failed"),
        (withdraw_approval, "it cannot become draft"),
    ],
)
def test_a_draft_is_neither_paid_nor_failed(payout, operator, do, words):
    more = {"reference": "x", "paid_at": NOW} if do is mark_paid else {"reason": "x"}
    with pytest.raises(RefusedError, match=f"is draft: {words}"):
        do(payout=payout, by=operator, now=NOW, key="k", **more)
    assert not PayoutTransition.objects.exists()


def test_paid_needs_a_reference_and_a_day_that_has_come(payout, operator):
    approved(payout, operator)
    said = {"payout": payout, "by": operator, "now": NOW, "key": "p"}
    with pytest.raises(RefusedError, match="reference"):
        mark_paid(reference=" ", paid_at=NOW, **said)
    with pytest.raises(RefusedError, match="has not come yet"):
        mark_paid(reference="Wire", paid_at=NOW + dt.timedelta(seconds=1), **said)


def test_whoever_changed_the_terms_does_not_approve(payout, northwind, operator, second):
    set_payout_terms(agency=northwind, payout_day=5, changed_by=operator, now=NOW)

    with pytest.raises(RefusedError, match="you changed the payout terms on 1 March 2026"):
        approved(payout, operator)
    approved(payout, second)
    assert differences() == []


def test_whoever_set_the_platform_fee_does_not_approve_until_another_has(
    payout, northwind, operator, second
):
    add_fee_rule(agency=northwind, percent=D(7), effective_from=APRIL, now=NOW, created_by=operator)
    with pytest.raises(RefusedError, match="you set the platform fee of 7 % of everything"):
        approved(payout, operator)
    approved(payout, second)
    earn(northwind, "1.00", APRIL - dt.timedelta(days=1))
    [march] = build_payouts(now=APRIL)
    assert [person.user_id for person in involved_in(march)] == [operator.pk]

    # March is approved by the other; the rule began before it was made up, and lies behind.
    approved(march, second)
    earn(northwind, "2.00", MAY - dt.timedelta(days=1))
    [april] = build_payouts(now=MAY)
    assert involved_in(april) == []


def test_terms_that_stay_as_they_were_are_no_change(payout, northwind, operator):
    set_payout_terms(agency=northwind, now=NOW)
    set_payout_terms(agency=northwind, changed_by=operator, now=NOW)

    assert involved_in(payout) == []


def test_the_owners_are_told_of_other_terms(northwind, owner, operator):
    set_payout_terms(agency=northwind, now=NOW)
    set_payout_terms(agency=northwind, minimum_amount=D(50), changed_by=operator, now=NOW)

    mail = Mail.objects.get(key__startswith="payout-terms:")
    assert mail.recipients == [owner.email]
    assert "Olga changed the payout terms of Northwind" in mail.body_text
    assert "Smallest payout: 0 before, 50 now" in mail.body_text


def test_an_earlier_draft_comes_first(payout, northwind, operator):
    earn(northwind, "7.00", APRIL - dt.timedelta(days=3))
    [march] = build_payouts(now=APRIL)

    assert [blocker.name for blocker in blockers_of(march, now=APRIL)] == ["earlier_draft"]
    with pytest.raises(RefusedError, match="PAY-2026-000001 of February 2026 comes before it"):
        approved(march, operator)


def test_a_payout_that_does_not_reconcile_is_not_approved(payout, operator):
    with lifted(reason="test"):
        Payout.objects.filter(pk=payout.pk).update(amount=D("514.03"))

    with pytest.raises(RefusedError, match="does not reconcile"):
        approved(payout, operator)


def test_a_cancelled_payout_opens_the_next_one_and_its_earnings_stay_in_it(
    payout, northwind, operator
):
    """February's 514.02 is cancelled, March earns 50.00: March pays 564.02, once."""
    cancel_payout(payout=payout, reason="Wrong agency", by=operator, now=NOW, key="c")
    earn(northwind, "50.00", APRIL - dt.timedelta(days=3))

    [march] = build_payouts(now=APRIL)

    assert (march.opening, march.adjustments, march.amount) == (D("514.02"), D(50), D("564.02"))
    assert CarriedOver.objects.get().into == march
    assert [item.earning.amount for item in PayoutItem.objects.filter(payout=march)] == [D(50)]
    assert build_payouts(now=MAY) == []
    assert differences() == []
    assert "Nothing of it is lost: $514.02 opens your next payout." in (
        Mail.objects.get(key=f"payout:{payout.number}:1").body_text
    )


def test_one_that_is_cancelled_late_goes_into_the_first_that_is_made_up_after(
    payout, northwind, operator
):
    earn(northwind, "50.00", APRIL - dt.timedelta(days=3))
    [march] = build_payouts(now=APRIL)
    cancel_payout(payout=payout, reason="Late", by=operator, now=APRIL, key="c")

    [april] = build_payouts(now=MAY)

    assert (march.amount, april.opening, april.amount) == (D(50), D("514.02"), D("514.02"))
    assert differences() == []


def test_a_failed_payout_is_approved_again_and_what_was_paid_can_come_back(payout, operator):
    approved(payout, operator)
    mark_failed(payout=payout, reason="Account closed", by=operator, now=NOW, key="f1")
    approve_payout(payout=payout, approved_by=operator, now=NOW, key="again")
    mark_paid(payout=payout, reference="W", paid_at=NOW, by=operator, now=NOW, key="p")
    mark_failed(payout=payout, reason="Came back", by=operator, now=NOW, key="f2")

    payout.refresh_from_db()
    assert payout.state == "failed"
    assert differences() == []


def test_decisions_are_never_changed(payout, operator):
    approved(payout, operator)
    with pytest.raises(AppendOnlyError):
        PayoutTransition.objects.update(reason="Otherwise")


def test_reconcile_finds_a_state_without_its_decision_and_an_approval_of_ones_own(
    payout, northwind, operator
):
    set_payout_terms(agency=northwind, payout_day=5, changed_by=operator, now=FEBRUARY_ENDS)
    PayoutTransition.objects.create(
        payout=payout,
        number=1,
        from_state="draft",
        to_state="approved",
        by=operator,
        happened_at=NOW,
        recorded_at=NOW,
        key="behind the back",
    )

    found = differences()
    assert any("somebody else than who changed the payout terms" in line for line in found)
    assert any("state: draft, but it must be approved" in line for line in found)


def test_the_review_compares_with_the_payout_before(payout, northwind):
    earn(northwind, "7.00", APRIL - dt.timedelta(days=3))
    [march] = build_payouts(now=APRIL)

    found = review(march, now=APRIL)
    amount = next(v for v in found.variances if v.figure == "amount")
    assert (found.before, amount.now, amount.before) == (payout, D(7), D("514.02"))
    assert f"{amount.percent:.0f}" == "-99"
    assert [a.name for a in found.anomalies] == ["much_adjusted"]


def test_a_german_agency_is_told_in_german(payout, northwind, operator, second):
    northwind.language = "de"
    northwind.save()
    approved(payout, operator)
    paid_at = NOW + dt.timedelta(hours=1)
    mark_paid(
        payout=payout, reference="Wire 7", paid_at=paid_at, by=second, now=paid_at, key="paid"
    )
    mail = Mail.objects.get(key=f"payout:{payout.number}:2")
    assert mail.subject == "Auszahlung PAY-2026-000001 ist bezahlt"
    assert "514,02\xa0$ der Auszahlung PAY-2026-000001 für Februar 2026" in mail.body_text
    assert "Verwendungszweck: Wire 7" in mail.body_html
