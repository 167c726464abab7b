"""Takes discounts off what periods are charged, and agrees on new ones (ENGINE 11).

What a discount takes off a period follows from what the period is charged. So its lines are never
worked out on their own: whatever changes the charges asks for the lines that are then missing, a
negative one, or, where too much was taken off, a positive one.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from django.db import transaction

from agencyportal.core.money import plain
from agencyportal.core.periods import quarter_floor
from billing.charge_words import DISCOUNT, DISCOUNT_TAKEN_BACK
from billing.discounts import GROUPS, DiscountDocument, Group, taken_off
from billing.models import (
    BillingPeriod,
    Charge,
    ChargeVoid,
    LineKind,
    PeriodMove,
    Subscription,
    SubscriptionDiscount,
)
from billing.proration import share_of
from billing.refusals import RefusedError, refuse_unfit_key, sent_before
from billing.selectors.discounts import (
    InForce,
    Taken,
    charged_by_group,
    discounts_in_force,
    taken_by_group,
)
from billing.selectors.periods import bounds_of, fees_time_of
from clients.models import User
from clients.services import windows

from .plans import Terms, terms_by_version

ZERO = Decimal(0)
LONGEST_KEY = 150
NAME_LENGTH = 200


def discount_lines(
    periods: Sequence[BillingPeriod],
    terms: Mapping[int, Terms],
    *,
    now: dt.datetime,
    charges: Iterable[Charge] | None = None,
    overage: bool = False,
    ended: bool = False,
) -> list[Charge]:
    """The lines, not saved yet, that bring the discounts of periods to what their charges call for.

    ``charges``: all that the periods are charged, saved or not; by default what is stored.
    ``overage``: whether overage is settled, so that it is discounted, too. ``ended``: whether a
    discount may have ended that has lines already. ``terms``: of plan versions, by id.
    """
    in_force = discounts_in_force(periods, terms)
    concerned = [period for period in periods if ended or period.pk in in_force]
    if not concerned:
        return []
    if charges is None:
        charges = Charge.objects.filter(period__in=concerned).order_by("pk")
    rows = list(charges)
    voided = _voided(rows)
    charged, taken = charged_by_group(rows, voided), taken_by_group(rows, voided)
    groups = GROUPS if overage else tuple(group for group in GROUPS if group != "overage")
    return [
        line
        for period in concerned
        for line in _lines(
            period,
            in_force.get(period.pk, []),
            {group: charged.get(period.pk, {}).get(group, ZERO) for group in groups},
            {place[1:]: was for place, was in taken.items() if place[0] == period.pk},
            now,
        )
    ]


def _voided(charges: Iterable[Charge]) -> set[int]:
    """Those that were taken back, of charges that are discount lines or may be discounted."""
    ids = [charge.pk for charge in charges if not charge._state.adding]
    if not ids:
        return set()
    return set(ChargeVoid.objects.filter(charge__in=ids).values_list("charge", flat=True))


def settle_moved(move: PeriodMove, terms: Mapping[int, Terms]) -> None:
    """Bring the discounts of a period whose end moved, or that was withdrawn, to what is left of
    its fees. Lines on no invoice are taken back, others corrected by another line. Call it with
    the client locked, after the fees are written."""
    period = move.period
    lines = discount_lines([period], terms, now=move.change.made_at, ended=True)
    if not lines:
        return
    rows = list(period.charges.order_by("pk"))
    waiting = set(period.charges.filter(line=None, credit_line=None).values_list("pk", flat=True))
    voids: list[ChargeVoid] = []
    taken = taken_by_group(rows, _voided(rows))
    kept: list[Charge] = []
    for line in lines:
        was = taken.get((period.pk, line.details["discount"], line.details["group"]))
        back = [row for row in was.standing if row.pk in waiting] if was else []
        voids += (ChargeVoid(charge=row, move=move) for row in back)
        line.amount += sum((row.amount for row in back), ZERO)
        kept += [line] if line.amount else []
    ChargeVoid.objects.bulk_create(voids)
    Charge.objects.bulk_create(kept)


def _lines(
    period: BillingPeriod,
    in_force: Sequence[InForce],
    charged: Mapping[Group, Decimal],
    taken: Mapping[tuple[str, Group], Taken],
    now: dt.datetime,
) -> Iterator[Charge]:
    asked = fees_time_of(period)
    amounts = taken_off(
        [each.discount for each in in_force],
        charged,
        share_of(bounds_of(period), period.timezone),
        period.currency,
        fees_share=share_of(asked, period.timezone) if asked else None,
    )
    due: dict[tuple[str, Group], tuple[str, Decimal]] = {
        (source, group): (was.name, ZERO) for (source, group), was in taken.items()
    }
    for each, by_group in zip(in_force, amounts, strict=True):
        for group, off in by_group.items():
            due[each.source, group] = (each.discount.name, off)
    for (source, group), (name, off) in due.items():
        was = taken.get((source, group), Taken(name))
        if group in charged and off != was.off:
            yield _line(period, source, group, name, charged[group], off, was, now)


def _line(
    period: BillingPeriod,
    source: str,
    group: Group,
    name: str,
    charged: Decimal,
    off: Decimal,
    was: Taken,
    now: dt.datetime,
) -> Charge:
    amount = was.off - off
    words = DISCOUNT if amount < 0 else DISCOUNT_TAKEN_BACK
    return Charge(
        agency_id=period.agency_id,
        client_id=period.client_id,
        workspace_id=period.workspace_id,
        period=period,
        kind=LineKind.DISCOUNT,
        description=words % {"name": name},
        amount=amount,
        currency=period.currency,
        details={
            "discount": source,
            "group": group,
            "name": name,
            "charged": plain(charged),
            "off": plain(off),
            **_until(period, group),
        },
        bill_at=period.end if group == "overage" else period.start,
        key=f"discount:{period.pk}:{source}:{group}:{was.lines + 1}",
        created_at=now,
    )


def _until(period: BillingPeriod, group: Group) -> dict[str, str]:
    """Until when the fees are asked for that a line is off, where that is not their period's end;
    as on the fees' own lines."""
    if group != "fees" or period.fees_end is None:
        return {}
    return {"until": period.fees_end.isoformat()}


def taken_off_overage(lines: Iterable[Charge]) -> dict[int, Decimal]:
    """What discount lines take off the overage, by period."""
    found: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.details["group"] == "overage":
            found[line.period_id] -= line.amount
    return found


# --- Agreeing ----------------------------------------------------------------------------------


@transaction.atomic
def add_discount(
    *,
    subscription: Subscription,
    discount: DiscountDocument,
    effective_at: dt.datetime,
    now: dt.datetime,
    key: str,
    created_by: User | None = None,
) -> SubscriptionDiscount:
    """Agree on a discount for a subscription, from the first period that starts at ``effective_at``
    (moved back to the quarter hour) or later.

    Fees of such periods that were charged in advance are discounted at once. ``key`` makes it this
    one: asked for again, it answers with the discount that is there.

    Raises RefusedError for one that would reach back into a closed period, for one without a name
    or an amount, and for a key that agreed on something else. Locks the workspace's row.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    locked = windows.lock_workspace(subscription.workspace_id, changes_credit=False)
    row = SubscriptionDiscount(
        agency_id=locked.agency_id,
        client_id=locked.client_id,
        workspace=locked,
        subscription=subscription,
        name=discount.name.strip(),
        on=discount.on,
        percent=discount.percent,
        amount=discount.amount,
        periods=discount.periods,
        effective_at=quarter_floor(effective_at),
        key=f"discount:{subscription.pk}:{key}",
        created_at=now,
        created_by=created_by,
    )
    earlier = SubscriptionDiscount.objects.filter(key=row.key).first()
    if earlier is not None:
        if any(getattr(earlier, name) != getattr(row, name) for name in _SAID):
            raise sent_before(f"agreed on {earlier}")
        return earlier
    _refuse_unfit(row)
    _refuse_closed(subscription, row.effective_at, "effective_at")
    row.save(force_insert=True)
    _settle_open(subscription, now)
    return row


_SAID = ("name", "on", "percent", "amount", "periods", "effective_at")


@transaction.atomic
def end_discount(
    *,
    discount: SubscriptionDiscount,
    now: dt.datetime,
    expires_at: dt.datetime | None = None,
    ended_by: User | None = None,
) -> SubscriptionDiscount:
    """Let a discount hold in no period that starts at ``expires_at`` (default: now) or later.

    What it took off fees of such periods in advance is charged again. One that has ended stays as
    it is. Raises RefusedError where a closed period had it. Locks the workspace's row.
    """
    windows.lock_workspace(discount.workspace_id, changes_credit=False)
    row = SubscriptionDiscount.objects.select_related("subscription").get(pk=discount.pk)
    if row.expires_at is not None:
        return row
    row.expires_at = max(row.effective_at, now if expires_at is None else expires_at)
    _refuse_closed(row.subscription, row.expires_at, "expires_at")
    row.ended_by = ended_by
    row.save(update_fields=["expires_at", "ended_by"])
    _settle_open(row.subscription, now)
    return row


def _settle_open(subscription: Subscription, now: dt.datetime) -> None:
    """Bring the lines of open periods, of what continues the subscription as well, to what is
    agreed by now."""
    periods = list(
        BillingPeriod.objects.open()
        .filter(workspace=subscription.workspace_id)
        .select_related("plan_version__plan")
        .order_by("start")
    )
    terms = terms_by_version(period.plan_version for period in periods)
    Charge.objects.bulk_create(discount_lines(periods, terms, now=now, ended=True))


def _refuse_unfit(row: SubscriptionDiscount) -> None:
    if not row.name:
        raise RefusedError("Give the discount a name: it stands on the invoice.", field="name")
    if len(row.name) > NAME_LENGTH:
        raise RefusedError(f"A name has at most {NAME_LENGTH} characters.", field="name")
    if (row.percent is None) == (row.amount is None):
        raise RefusedError("Say a percentage or an amount, and not both.", field="percent")
    if row.percent is not None and not 0 < row.percent <= 100:
        raise RefusedError("A percentage is above 0 and at most 100.", field="percent")
    if row.amount is not None and row.amount <= 0:
        raise RefusedError("An amount is more than nothing.", field="amount")
    if row.periods is not None and row.periods < 1:
        raise RefusedError("At least one period; empty, it holds for ever.", field="periods")


def _refuse_closed(subscription: Subscription, start: dt.datetime, field: str) -> None:
    closed = BillingPeriod.objects.filter(
        workspace=subscription.workspace_id, state=BillingPeriod.State.CLOSED
    )
    last = closed.order_by("-start").first()
    if last is not None and last.start >= start:
        raise RefusedError(
            f"The period from {last.start:%Y-%m-%d %H:%M} UTC is closed and stays as it is; choose "
            "a time after that.",
            field=field,
        )
