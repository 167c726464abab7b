"""Units held before a call and settled after it: what is free, what frees it, what never does."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Reservation
from billing.refusals import RefusedError
from billing.services.closing import close_period
from billing.services.grants import adjust
from billing.services.purchases import buy_on_account
from billing.services.reservations import (
    ConflictError,
    NotAdmittedError,
    commit_reservation,
    expire_reservations,
    release_reservation,
    reserve,
)
from billing.services.subscriptions import ensure_periods
from clients.models import UsageEvent, UsageUnit, UsageWindow, Workspace
from clients.services.recording import SubmittedEvent, record_events
from clients.services.units import create_unit

from .plan_samples import NEW_YORK_2026, allowance, band, starter
from .story import periods_of, subscribe, whole

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
BLOCK = {"policy": "block"}


def blocked(included: str = "10", **changes):
    """A plan that lets nothing beyond its credits in."""
    return starter(allowances=[allowance(included=included, **({"overage": BLOCK} | changes))])


def hold(workspace: Workspace, unit: UsageUnit, quantity: int | str, now: dt.datetime, **more):
    return reserve(workspace=workspace, unit=unit, quantity=Decimal(quantity), now=now, **more)


def free(workspace: Workspace, unit: UsageUnit, now: dt.datetime) -> int:
    """How many single units can be held at ``now``; none stays held."""
    held = []
    while True:
        try:
            held.append(hold(workspace, unit, 1, now))
        except NotAdmittedError:
            break
    for reservation in held:
        release_reservation(reservation=reservation, now=now)
    return len(held)


def event(name: str, quantity: int | str = 1, at: dt.datetime | None = None) -> SubmittedEvent:
    return SubmittedEvent(id=name, unit="conversation", quantity=Decimal(quantity), time=at)


def record(workspace: Workspace, quantity: int, at: dt.datetime, now: dt.datetime | None = None):
    sent = event(f"{at.isoformat()}/{quantity}/{UsageEvent.objects.count()}", quantity, at)
    record_events(workspace=workspace, events=[sent], now=now or at)


def window_at(workspace: Workspace, at: dt.datetime) -> UsageWindow:
    return workspace.windows.get(start__lte=at, end__gt=at)


class TestHolding:
    def test_what_is_left_can_be_held_and_no_more(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        record(acme_support, 3, JANUARY + HOUR)

        found = hold(acme_support, conversation, 7, JANUARY + HOUR)

        assert (found.state, found.quantity) == ("open", 7)
        assert found.expires_at == JANUARY + HOUR + dt.timedelta(minutes=5)
        assert window_at(acme_support, JANUARY).reserved == 7
        with pytest.raises(NotAdmittedError, match="0 are free of 10: 3 are used and 7 are held"):
            hold(acme_support, conversation, "0.000001", JANUARY + HOUR)

    @pytest.mark.parametrize("policy", ["bill", "notify"])
    def test_other_policies_let_everything_in(self, acme_support, conversation, policy):
        plan = starter() if policy == "bill" else blocked(overage={"policy": "notify"})
        subscribe(acme_support, plan, JANUARY)

        hold(acme_support, conversation, 5000, JANUARY)

        assert window_at(acme_support, JANUARY).reserved == 5000

    def test_an_automatic_top_up_that_blocks_in_the_end_blocks(self, acme_support, conversation):
        auto = {
            "policy": "top_up",
            "top_up": "Growth 500",
            "at": "1",
            "max_count": 1,
            "max_amount": "60",
            "then": "block",
        }
        plan = starter(allowances=[allowance(included="2", overage=auto)])
        subscribe(acme_support, plan, JANUARY)

        assert free(acme_support, conversation, JANUARY) == 2

    def test_outside_the_package_nothing_is_let_in(self, acme_support, conversation, page):
        subscribe(acme_support, blocked(), JANUARY)

        with pytest.raises(NotAdmittedError, match="not in the package"):
            hold(acme_support, page, 1, JANUARY)
        with pytest.raises(NotAdmittedError, match="not in the package"):
            hold(acme_support, conversation, 1, JANUARY - HOUR)

    def test_a_key_holds_once(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)

        first = hold(acme_support, conversation, 6, JANUARY, key="k")
        again = hold(acme_support, conversation, 6, JANUARY + HOUR, key="k")

        assert first.pk == again.pk
        assert window_at(acme_support, JANUARY).reserved == 6
        with pytest.raises(ConflictError, match="6 conversations already"):
            hold(acme_support, conversation, 5, JANUARY, key="k")

    def test_a_key_is_the_workspaces_own(self, acme_support, acme_docs, conversation):
        for workspace in (acme_support, acme_docs):
            subscribe(workspace, blocked(), JANUARY)
            hold(workspace, conversation, 6, JANUARY, key="k")

        assert Reservation.objects.count() == 2

    @pytest.mark.parametrize(
        ("quantity", "more"),
        [
            ("0", {}),
            ("-1", {}),
            ("1", {"ttl": dt.timedelta(0)}),
            ("1", {"ttl": 2 * HOUR}),
            ("1", {"key": " "}),
            ("1", {"key": "k" * 256}),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, acme_support, conversation, quantity, more):
        subscribe(acme_support, blocked(), JANUARY)

        with pytest.raises(RefusedError):
            hold(acme_support, conversation, quantity, JANUARY, **more)


class TestWhatIsAvailable:
    def test_usage_takes_it_and_overage_gives_nothing_back(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        record(acme_support, 12, JANUARY)

        assert free(acme_support, conversation, JANUARY) == 0
        growth = acme_support.subscriptions.get().plan_version.top_ups.get()
        buy_on_account(workspace=acme_support, band=growth, key="k", now=JANUARY + DAY)
        hold(acme_support, conversation, 500, JANUARY + DAY)

        assert free(acme_support, conversation, JANUARY + DAY) == 0

    def test_credit_opens_it_at_once(self, acme_support, conversation):
        subscribe(acme_support, blocked("0"), JANUARY)
        assert free(acme_support, conversation, JANUARY) == 0

        give(acme_support, conversation, 4, JANUARY)

        assert free(acme_support, conversation, JANUARY) == 4

    def test_a_grant_that_ends_takes_what_it_had_left_with_it(self, acme_support, conversation):
        subscribe(acme_support, blocked("3"), JANUARY)
        give(acme_support, conversation, 5, JANUARY, priority=1, expires_at=JANUARY + DAY)
        record(acme_support, 2, JANUARY)

        assert free(acme_support, conversation, JANUARY + DAY - MINUTE) == 6
        assert free(acme_support, conversation, JANUARY + DAY) == 3

    def test_a_grant_that_begins_brings_its_own(self, acme_support, conversation):
        subscribe(acme_support, blocked("3"), JANUARY)
        give(acme_support, conversation, 5, JANUARY, effective_at=JANUARY + DAY)

        assert free(acme_support, conversation, JANUARY + DAY - MINUTE) == 3
        assert free(acme_support, conversation, JANUARY + DAY) == 8

    def test_a_late_event_burns_what_has_ended(self, acme_support, conversation):
        """The first day's grant had 5 left; late usage of that day takes nothing of today's."""
        subscribe(acme_support, blocked("3"), JANUARY)
        give(acme_support, conversation, 5, JANUARY, priority=1, expires_at=JANUARY + DAY)
        assert free(acme_support, conversation, JANUARY + 2 * DAY) == 3

        record(acme_support, 4, JANUARY, now=JANUARY + 2 * DAY)

        assert free(acme_support, conversation, JANUARY + 2 * DAY) == 3

    def test_a_late_event_burns_what_is_still_there(self, acme_support, conversation):
        subscribe(acme_support, blocked("3"), JANUARY)
        assert free(acme_support, conversation, JANUARY + 2 * DAY) == 3

        record(acme_support, 2, JANUARY, now=JANUARY + 2 * DAY)

        assert free(acme_support, conversation, JANUARY + 2 * DAY) == 1

    def test_overage_that_goes_away_frees_nothing(self, acme_support, northwind):
        """A subject moves to an earlier event that counts less; what is gone was overage."""
        lead = create_unit(
            agency=northwind,
            slug="lead",
            name="lead",
            plural="leads",
            aggregation="unique",
            weights=[{"when": [{"field": "model", "op": "eq", "value": "big"}], "multiply": "7"}],
            effective_from=JANUARY,
        )
        plan = starter(allowances=[allowance("lead", "2", overage=BLOCK)], top_ups=[])
        subscribe(acme_support, plan, JANUARY)

        def seen(model: str, at: dt.datetime) -> None:
            sent = SubmittedEvent(id=model, unit="lead", subject="s", model=model, time=at)
            record_events(workspace=acme_support, events=[sent], now=JANUARY + DAY)

        seen("big", JANUARY + 2 * HOUR)
        give(acme_support, lead, 4, JANUARY + DAY)
        assert free(acme_support, lead, JANUARY + DAY) == 4

        seen("small", JANUARY + HOUR)

        assert window_at(acme_support, JANUARY).used == 1
        assert free(acme_support, lead, JANUARY + DAY) == 5

    def test_late_usage_of_the_last_period_takes_what_rolls_over(self, acme_support, conversation):
        subscribe(acme_support, blocked("5", rollover_max="5"), JANUARY)
        assert free(acme_support, conversation, FEBRUARY) == 10

        record(acme_support, 4, FEBRUARY - HOUR, now=FEBRUARY)

        assert free(acme_support, conversation, FEBRUARY) == 6

    def test_what_is_held_in_the_last_period_is_not_held_again(self, acme_support, conversation):
        subscription = subscribe(
            acme_support,
            starter(
                allowances=[allowance(included="0", overage=BLOCK)],
                top_ups=[band(quantity="10", expires="never")],
            ),
            JANUARY,
        )
        growth = subscription.plan_version.top_ups.get()
        buy_on_account(workspace=acme_support, band=growth, key="k", now=JANUARY)
        ensure_periods(subscription=subscription, now=FEBRUARY)
        held = hold(acme_support, conversation, 7, FEBRUARY - MINUTE)

        assert free(acme_support, conversation, FEBRUARY) == 3
        commit_reservation(reservation=held, event=event("e", 5), now=FEBRUARY)
        assert free(acme_support, conversation, FEBRUARY) == 5

    def test_what_is_released_in_the_last_period_is_free_in_this_one(
        self, acme_support, conversation
    ):
        subscribe(acme_support, blocked("5", rollover_max="5"), JANUARY, now=FEBRUARY)
        held = hold(acme_support, conversation, 4, FEBRUARY - MINUTE)
        assert free(acme_support, conversation, FEBRUARY) == 6

        release_reservation(reservation=held, now=FEBRUARY)

        assert free(acme_support, conversation, FEBRUARY) == 10

    def test_what_is_held_from_an_ended_grant_takes_nothing_of_the_next(
        self, acme_support, conversation
    ):
        subscribe(acme_support, blocked("3"), JANUARY)
        give(acme_support, conversation, 5, JANUARY, priority=1, expires_at=JANUARY + DAY)
        held = hold(acme_support, conversation, 5, JANUARY + DAY - MINUTE)

        assert free(acme_support, conversation, JANUARY + DAY) == 3
        release_reservation(reservation=held, now=JANUARY + DAY)
        assert free(acme_support, conversation, JANUARY + DAY) == 3

    def test_closing_moves_nothing(self, acme_support, conversation):
        subscribe(acme_support, blocked("5", rollover_max="5"), JANUARY)
        record(acme_support, 2, JANUARY)
        january = periods_of(acme_support)[0]
        before = free(acme_support, conversation, FEBRUARY + HOUR)

        close_period(period_id=january.pk, now=january.due_at)

        assert before == free(acme_support, conversation, january.due_at) == 8

    def test_an_early_end_blocks_at_what_was_planned(self, acme_support, conversation):
        """Usage that still arrives is covered up to the full allowance; none is let in for it."""
        subscribe(acme_support, blocked("31"), JANUARY, end=JANUARY + 10 * DAY)
        assert free(acme_support, conversation, JANUARY) == 10

        record(acme_support, 12, JANUARY)

        assert free(acme_support, conversation, JANUARY) == 0

    def test_working_it_out_is_needed_once(
        self, acme_support, conversation, django_assert_max_num_queries
    ):
        subscribe(acme_support, blocked(), JANUARY)
        hold(acme_support, conversation, 1, JANUARY)
        record(acme_support, 1, JANUARY + HOUR)

        with django_assert_max_num_queries(9):
            hold(acme_support, conversation, 1, JANUARY + HOUR)


def give(workspace, unit, quantity, now, **more):
    adjust(
        workspace=workspace,
        unit=unit,
        quantity=Decimal(quantity),
        reason="Sorry",
        created_by=None,
        now=now,
        key=f"{now} {quantity}",
        **more,
    )


class TestSettling:
    def test_committing_records_the_event_at_its_time_and_frees_the_rest(
        self, acme_support, conversation
    ):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 6, JANUARY + HOUR)

        done = commit_reservation(
            reservation=held, event=event("e", 4, JANUARY), now=JANUARY + HOUR + MINUTE
        )

        window = window_at(acme_support, JANUARY)
        assert whole(window.used, window.reserved) == (4, 0)
        assert done.is_new
        assert (done.event.external_id, done.event.occurred_at) == ("e", JANUARY + HOUR)
        assert (done.reservation.state, done.reservation.overshoot) == ("committed", 0)
        assert free(acme_support, conversation, JANUARY + HOUR) == 6

    def test_more_than_was_held_is_stored_and_said(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 6, JANUARY)

        done = commit_reservation(reservation=held, event=event("e", 11), now=JANUARY)

        assert done.reservation.overshoot == 5
        assert window_at(acme_support, JANUARY).used == 11
        assert free(acme_support, conversation, JANUARY) == 0

    def test_committing_again_changes_nothing(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 6, JANUARY)
        first = commit_reservation(reservation=held, event=event("e", 4), now=JANUARY)

        again = commit_reservation(reservation=held, event=event("e", 4), now=JANUARY + HOUR)

        assert (again.is_new, again.event) == (False, first.event)
        assert window_at(acme_support, JANUARY).used == 4
        with pytest.raises(ConflictError, match="another event"):
            commit_reservation(reservation=held, event=event("f", 4), now=JANUARY)

    def test_releasing_frees_all_of_it_once(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        hold(acme_support, conversation, 1, JANUARY)
        held = hold(acme_support, conversation, 6, JANUARY)

        for _ in range(2):
            assert release_reservation(reservation=held, now=JANUARY).state == "released"

        assert window_at(acme_support, JANUARY).reserved == 1
        with pytest.raises(ConflictError, match="released"):
            commit_reservation(reservation=held, event=event("e"), now=JANUARY)
        assert not UsageEvent.objects.exists()

    def test_what_is_committed_cannot_be_released(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 6, JANUARY)
        commit_reservation(reservation=held, event=event("e"), now=JANUARY)

        with pytest.raises(ConflictError, match="committed"):
            release_reservation(reservation=held, now=JANUARY)

    def test_time_frees_what_nobody_settles(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        hold(acme_support, conversation, 6, JANUARY, ttl=2 * MINUTE)
        hold(acme_support, conversation, 4, JANUARY, ttl=HOUR)

        assert expire_reservations(now=JANUARY + 2 * MINUTE - dt.timedelta(seconds=1)) == 0
        assert expire_reservations(now=JANUARY + 2 * MINUTE) == 1
        assert expire_reservations(now=JANUARY + 2 * MINUTE) == 0

        assert window_at(acme_support, JANUARY).reserved == 4

    def test_nobody_is_refused_for_what_ran_out(self, acme_support, conversation):
        """The schedule may be late; what is over is over."""
        subscribe(acme_support, blocked(), JANUARY)
        hold(acme_support, conversation, 10, JANUARY, ttl=MINUTE)

        hold(acme_support, conversation, 10, JANUARY + MINUTE)

        assert window_at(acme_support, JANUARY).reserved == 10

    def test_an_expired_one_commits_as_an_ordinary_event(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 10, JANUARY, ttl=MINUTE)
        expire_reservations(now=JANUARY + MINUTE)
        hold(acme_support, conversation, 10, JANUARY + MINUTE)
        assert release_reservation(reservation=held, now=JANUARY + MINUTE).state == "expired"

        done = commit_reservation(reservation=held, event=event("e", 3), now=JANUARY + HOUR)

        window = window_at(acme_support, JANUARY)
        assert done.reservation.state == "committed"
        assert whole(window.used, window.reserved) == (3, 10)

    def test_an_event_that_is_there_is_not_counted_twice(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        record_events(workspace=acme_support, events=[event("e", 4)], now=JANUARY)
        held = [hold(acme_support, conversation, 2, JANUARY) for _ in range(2)]

        commit_reservation(reservation=held[0], event=event("e", 4), now=JANUARY)

        assert window_at(acme_support, JANUARY).used == 4
        with pytest.raises(ConflictError, match="stands for another"):
            commit_reservation(reservation=held[1], event=event("e", 4), now=JANUARY)
        assert window_at(acme_support, JANUARY).reserved == 2

    def test_an_event_of_another_unit_settles_nothing(self, acme_support, conversation, page):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 2, JANUARY)

        with pytest.raises(RefusedError, match="holds conversations"):
            commit_reservation(
                reservation=held, event=SubmittedEvent(id="e", unit="page"), now=JANUARY
            )

        assert Reservation.objects.get().state == "open"

    def test_a_failed_call_costs_no_units(self, acme_support, conversation):
        subscribe(acme_support, blocked(), JANUARY)
        held = hold(acme_support, conversation, 2, JANUARY)
        failed = SubmittedEvent(id="e", unit="conversation", status="error")

        done = commit_reservation(reservation=held, event=failed, now=JANUARY)

        assert done.event.quantity == 0
        assert free(acme_support, conversation, JANUARY) == 10
