"""Whatever is used, paid, refused, told late or twice, in whatever order: an automatic top-up never
buys beyond its consent, charges once for each purchase, and the books prove it."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpMonth,
    StripeEvent,
    TopUpBand,
    TopUpOrder,
)
from billing.refusals import RefusedError
from billing.services.automatic_buying import look_at_all
from billing.services.automatic_consent import resume, switch_off, switch_on
from billing.services.automatic_terms import Wanted, digest_of, terms_of
from billing.services.stripe_customers import ensure_customer, read_card
from billing.services.stripe_inbox import keep_event, process_event
from billing.services.top_up_orders import confirm_payment, look_at_open_orders
from billing.stripe_gateway import GatewayError
from clients.models import User, Workspace
from clients.services.recording import SubmittedEvent, record_events
from payouts.reconcile.automatic import check_automatic
from payouts.reconcile.findings import Difference
from payouts.reconcile.orders import check_orders
from payouts.reconcile.scope import Scope
from tests.billing.plan_samples import NEW_YORK_2026, starter
from tests.billing.story import subscribe
from tests.stripe_double import StripeDouble
from tests.stripe_fixtures import stripe, stripe_server

__all__ = ["stripe", "stripe_server"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

START = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
WAYS = ("card", "no funds", "stolen", "3ds always", "debit")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from([50, 400, 1500])),
        st.tuples(st.just("tick"), st.sampled_from([0, 1, 7, 30])),
        st.tuples(st.just("orders"), st.sampled_from([1, 25])),
        st.tuples(st.just("card"), st.sampled_from(WAYS)),
        st.tuples(st.just("lose"), st.sampled_from(["lose", "drop", "500"])),
        st.tuples(st.just("events"), st.integers(0, 3)),
        st.tuples(st.just("bank"), st.booleans()),
        st.tuples(st.just("limits"), st.sampled_from([(1, 60), (2, 130), (4, 200)])),
        st.tuples(st.just("resume"), st.none()),
        st.tuples(st.just("off"), st.none()),
    ),
    min_size=6,
    max_size=25,
)


class Life:
    """Acme's support chat on a package with Growth 500 for 60.00, step by step."""

    def __init__(
        self, stripe: StripeDouble, workspace: Workspace, band: TopUpBand, admin: User
    ) -> None:
        self.stripe, self.workspace, self.band, self.admin = stripe, workspace, band, admin
        self.now, self.count = START, 0
        self.card("card")
        self.limits((3, 180))

    def use(self, quantity: int) -> None:
        self.count += 1
        event = SubmittedEvent(
            id=str(self.count),
            unit="conversation",
            quantity=Decimal(quantity),
            time=self.now,
        )
        record_events(workspace=self.workspace, events=[event], now=self.now)

    def tick(self, hours: int) -> None:
        self.now += hours * HOUR
        look_at_all(now=self.now, limit=10)

    def orders(self, hours: int) -> None:
        self.now += hours * HOUR
        look_at_open_orders(now=self.now, limit=10)

    def card(self, way: str) -> None:
        customer = ensure_customer(client=self.workspace.client, now=self.now)
        self.stripe.save_card(customer.customer_id, way)
        read_card(customer=customer, now=self.now)

    def lose(self, how: str) -> None:
        self.stripe.breaks = [how] * 2

    def events(self, order: int) -> None:
        """What Stripe has told of so far, or some of it, in another order and again."""
        for event in self.stripe.events[:: -1 if order % 2 else 1][: 4 + order]:
            kept = keep_event(event, now=self.now)
            StripeEvent.objects.filter(pk=kept.pk).update(state="pending", not_before=self.now)
            process_event(event_id=kept.pk, now=self.now)

    def bank(self, ok: bool) -> None:
        """Who is asked confirms it or does not; what takes days arrives or does not."""
        for order in TopUpOrder.objects.filter(state="pending"):
            with suppress(GatewayError):
                confirm_payment(order=order, now=self.now)
        for intent in self.stripe.rows("payment_intent"):
            if intent["status"] == "requires_action":
                self.stripe.authenticate(intent["id"], ok=ok)
            elif intent["status"] == "processing":
                (self.stripe.settle if ok else self.stripe.bounce)(intent["id"])

    def limits(self, most: tuple[int, int]) -> None:
        wanted = Wanted(self.band, Decimal(200), most[0], Decimal(most[1]), "card")
        shown = digest_of(terms_of(workspace=self.workspace, wanted=wanted, now=self.now))
        switch_on(
            workspace=self.workspace,
            wanted=wanted,
            shown=shown,
            given_by=self.admin,
            now=self.now,
        )

    def resume(self, _: None) -> None:
        resume(automatic=AutomaticTopUp.objects.get(), resumed_by=self.admin, now=self.now)

    def off(self, _: None) -> None:
        switch_off(automatic=AutomaticTopUp.objects.get(), ended_by=self.admin, now=self.now)


def check(stripe: StripeDouble) -> None:
    """What must be so after every step."""
    open_now = AutomaticPurchase.objects.filter(state="open").count()
    assert open_now <= 1
    for month in AutomaticTopUpMonth.objects.all():
        assert 0 <= month.count <= month.max_count <= 4
        assert 0 <= month.amount <= month.max_amount <= 200
    paid = [row for row in stripe.rows("payment_intent") if row["status"] == "succeeded"]
    assert len(paid) <= AutomaticPurchase.objects.filter(is_counted=True).count()
    payable = ("requires_action", "processing", "requires_confirmation")
    assert sum(row["status"] in payable for row in stripe.rows("payment_intent")) <= 1


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_no_sequence_buys_beyond_the_consent(
    steps: list[tuple[str, Any]],
    stripe: StripeDouble,
    acme_support: Workspace,
    conversation: Any,
    client_admin: User,
) -> None:
    with transaction.atomic(), pytest.MonkeyPatch.context() as clock:
        stripe.reset()
        version = subscribe(acme_support, starter(), NEW_YORK_2026[3]).plan_version
        life = Life(stripe, acme_support, version.top_ups.get(), client_admin)
        clock.setattr("django.utils.timezone.now", lambda: life.now)
        for name, how in steps:
            with suppress(RefusedError, GatewayError):
                getattr(life, name)(how)
            check(stripe)
        stripe.breaks = []
        found = [*check_automatic(Scope(None)), *check_orders(Scope(None))]
        assert [str(one) for one in found if isinstance(one, Difference)] == []
        transaction.set_rollback(True)
