"""Automatic top-ups: each under a consent in force, no month beyond what was agreed to."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from billing.models import (
    AutomaticPurchase,
    AutomaticTopUp,
    AutomaticTopUpEvent,
    AutomaticTopUpMonth,
    TopUpConsent,
)

from .findings import Checked, Finding, compare, difference, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Automatic top-ups"
ZERO: Final = Decimal(0)

_Kinds = AutomaticTopUpEvent.Kind
Span = tuple[dt.datetime, dt.datetime | None]
"""From when a consent was in force, and until when."""


def check_automatic(scope: Scope) -> Iterator[Finding]:
    """Every automatic top-up with its consents, what it set off, and its months."""
    rows = scope.of(AutomaticTopUp.objects.select_related("workspace", "unit", "client", "consent"))
    for automatic in rows.order_by("pk").iterator(chunk_size=CHUNK):
        yield from _check_one(automatic)
    yield from _check_consents(scope)


def _check_one(automatic: AutomaticTopUp) -> Iterator[Finding]:
    spans = _spans(automatic)
    in_force = {consent_id for consent_id, (_, end) in spans.items() if end is None}
    expected = {automatic.consent_id} if automatic.consent_id else set()
    if in_force != expected:
        name = str(automatic)
        yield difference(SUBJECT, automatic, name, "consent", sorted(in_force), sorted(expected))
    purchases = list(
        automatic.purchases.select_related(
            "consent", "month", "band", "order", "purchase"
        ).order_by("number")
    )
    months: dict[int, tuple[int, Decimal]] = defaultdict(lambda: (0, ZERO))
    for made in purchases:
        yield from _check_purchase(automatic, made, spans)
        if made.is_counted:
            count, amount = months[made.month_id]
            months[made.month_id] = count + 1, amount + made.gross
            yield from _check_limits(made, *months[made.month_id])
    yield from _check_months(automatic, months)
    yield Checked(SUBJECT, 1 + len(purchases))


def _spans(automatic: AutomaticTopUp) -> dict[int, Span]:
    """When each consent was in force, as the events say."""
    spans: dict[int, Span] = {}
    for event in automatic.events.order_by("pk"):
        if event.kind == _Kinds.CONSENTED:
            spans[event.consent_id] = (event.happened_at, None)
        elif event.kind in AutomaticTopUpEvent.ENDINGS and event.consent_id in spans:
            spans[event.consent_id] = (spans[event.consent_id][0], event.happened_at)
    return spans


def _check_purchase(
    automatic: AutomaticTopUp, made: AutomaticPurchase, spans: dict[int, Span]
) -> Iterator[Finding]:
    """Under a consent in force when it was made; its band, its trigger, its price, its month."""
    consent, name = made.consent, str(made)
    begins, ends = spans.get(consent.pk, (None, None))
    if begins is None or made.made_at < begins or (ends is not None and made.made_at > ends):
        yield unexpected(SUBJECT, made, name, "a purchase without a consent in force")
    if made.left > consent.threshold:
        yield difference(SUBJECT, made, name, "left", made.left, f"at most {consent.threshold}")
    agreed = consent.band
    yield from compare(
        SUBJECT,
        made,
        name,
        {
            "consent.automatic": (
                (consent.workspace_id, consent.unit_id),
                (automatic.workspace_id, automatic.unit_id),
            ),
            "band": (
                (made.band.name, made.band.quantity, made.band.price),
                (agreed.name, agreed.quantity, agreed.price),
            ),
            "month": (made.month.automatic_id, automatic.pk),
            "state": (made.state, _state_of(made)),
        },
    )
    if made.order is not None:
        yield from compare(SUBJECT, made, name, {"gross": (made.gross, made.order.gross)})


def _state_of(made: AutomaticPurchase) -> str:
    """As its order says it; without one, it was bought on account."""
    states, order = AutomaticPurchase.State, made.order
    if order is None:
        return states.BOUGHT.value
    if order.trouble or not (order.has_ended or order.state == order.State.PAID):
        return states.OPEN.value
    if order.state == order.State.PAID:
        return (states.BOUGHT if order.purchase_id else states.KEPT).value
    return states.FAILED.value


def _check_limits(made: AutomaticPurchase, count: int, amount: Decimal) -> Iterator[Finding]:
    """With what counted before it in its month, it is within what its consent allows."""
    consent, name = made.consent, str(made)
    if count > consent.max_count:
        yield difference(SUBJECT, made, name, "count", count, f"at most {consent.max_count}")
    if amount > consent.max_amount:
        yield difference(SUBJECT, made, name, "amount", amount, f"at most {consent.max_amount}")


def _check_months(
    automatic: AutomaticTopUp, months: dict[int, tuple[int, Decimal]]
) -> Iterator[Finding]:
    rows = AutomaticTopUpMonth.objects.filter(automatic=automatic).order_by("pk")
    for month in rows:
        count, amount = months.get(month.pk, (0, ZERO))
        facts = {"count": (month.count, count), "amount": (month.amount, amount)}
        yield from compare(SUBJECT, month, str(month), facts)


def _check_consents(scope: Scope) -> Iterator[Finding]:
    """No consent that no event tells of."""
    told = AutomaticTopUpEvent.objects.filter(kind=_Kinds.CONSENTED).values("consent")
    for consent in scope.of(TopUpConsent.objects.exclude(pk__in=told)).order_by("pk"):
        yield unexpected(SUBJECT, consent, str(consent), "a consent that nothing tells of")
