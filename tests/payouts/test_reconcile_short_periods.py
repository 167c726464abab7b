"""Late usage of periods that stopped early: what it gives, and takes from the next allowance, is
proved, and named where somebody changed it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from billing.models import CreditGrant, GrantRevocation
from billing.services.late_usage import settle_late_usage
from billing.services.subscriptions import end
from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope
from tests.billing.lifecycles import close_all, report
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe, utc
from tests.billing.test_plan_changes import growth, move_to

from .test_reconcile import remove, tamper

pytestmark = pytest.mark.django_db

D = Decimal
JANUARY = NEW_YORK_2026[1]
SIXTEENTH = utc("2026-01-16T05:00")
DAY = dt.timedelta(days=1)
LATER = SIXTEENTH + 4 * DAY


def late(workspace: Any, unit: Any, quantity: int) -> None:
    report(workspace, unit, JANUARY + 5 * DAY, quantity, now=LATER)
    settle_late_usage(now=LATER)


@pytest.fixture
def early_end(acme_support, conversation, platform) -> None:
    """15 of 31 days of 1,000 are 484, 900 used: 416 were added at the close, 100 are added late."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    report(acme_support, conversation, JANUARY + DAY, 900)
    end(subscription=subscription, end=SIXTEENTH, now=JANUARY + 2 * DAY)
    close_all(SIXTEENTH + DAY)
    late(acme_support, conversation, 150)


@pytest.fixture
def plan_change(acme_support, conversation, platform) -> None:
    """Another plan takes over instead: the next allowance gives 50, and another 20, less."""
    subscription = subscribe(acme_support, starter(), JANUARY)
    report(acme_support, conversation, JANUARY + DAY, 900)
    move_to(subscription, growth(), SIXTEENTH + DAY / 2)
    close_all(SIXTEENTH + DAY)
    late(acme_support, conversation, 50)
    late(acme_support, conversation, 20)


def named() -> set[tuple[str, object]]:
    found = reconcile(Scope())
    return {(row.model, row.pk) for row in found if isinstance(row, Difference)}


def grown() -> CreditGrant:
    return CreditGrant.objects.filter(key__startswith="allowance-late").earliest("pk")


def taken() -> GrantRevocation:
    return GrantRevocation.objects.filter(key__startswith="ahead-late").earliest("pk")


def stray(row: Any, key: str) -> Any:
    """One more of the same, that nothing calls for."""
    row.pk, row.key = None, key
    row.save(force_insert=True)
    return row


@pytest.mark.usefixtures("early_end")
class TestAnEarlyEnd:
    def test_honest_books_are_proved(self):
        assert grown().quantity == 100
        assert named() == set()

    @pytest.mark.parametrize(
        "values",
        [
            {"quantity": D(150)},
            {"quantity": D(99)},
            {"kind": "adjustment"},
            {"priority": 5},
            {"expires_at": LATER},
            {"effective_at": JANUARY - DAY},
        ],
    )
    def test_a_grant_that_was_changed_is_named(self, values: dict[str, Any]):
        row = grown()
        tamper(row, **values)

        assert ("billing.CreditGrant", row.pk) in named()

    def test_one_that_nothing_calls_for_is_named(self):
        row = stray(grown(), f"allowance-late:{grown().period_id}:{grown().unit_id}:9")

        assert ("billing.CreditGrant", row.pk) in named()


@pytest.mark.usefixtures("plan_change")
class TestAChangeOfPlan:
    def test_honest_books_are_proved(self):
        assert (grown().quantity, taken().quantity) == (50, 50)
        assert named() == set()

    @pytest.mark.parametrize(
        ("row", "value"), [(grown, 49), (grown, 51), (taken, 49), (taken, 51), (taken, 2582)]
    )
    def test_a_quantity_that_was_changed_is_named(self, row: Callable[[], Any], value: int):
        tamper(row(), quantity=D(value))

        assert named()

    def test_what_was_taken_and_is_gone_is_missed(self):
        remove(taken())

        assert ("billing.CreditGrant", grown().pk) in named()

    def test_what_nothing_calls_for_is_named(self):
        row = stray(taken(), f"ahead-late:{grown().period_id}:9:{taken().grant_id}")

        assert ("billing.GrantRevocation", row.pk) in named()

    def test_books_are_proved_once_the_next_part_is_closed_too(self):
        close_all(utc("2026-02-03T00:00"))

        assert named() == set()
