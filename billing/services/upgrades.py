"""Moves subscriptions of earlier versions of a plan to another version, one by one.

What is to be moved is written down first, all at once, and then done item by item, each in a
transaction of its own with what came of it. So it may be interrupted at any point and gone on with
by anybody: an item that is moved is not waiting any more.

Lock order: the item, then what a change of plan locks: the client's row, then the workspace's.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from django.db import transaction
from django.db.models import QuerySet

from agencyportal.core.locks import lock_row
from billing.models import PlanVersion, Subscription, UpgradeItem, VersionUpgrade
from billing.refusals import RefusedError, refuse_unfit_key
from clients.models import User

from .change_preview import ChangePreview, preview_change
from .changes import LONGEST_REASON, not_empty
from .plan_changes import When, change_plan

AT_ONCE: Final = 25
"""Items that are done before anybody looks at the clock or the progress again."""
LONGEST_KEY: Final = 200

State = UpgradeItem.State
Progress = Callable[[int, int], None]
"""Called with how many items are settled, and of how many."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UpgradePreview:
    """What moving one subscription would come to, or why it would be refused."""

    subscription: Subscription
    change: ChangePreview | None
    refusal: str = ""

    @property
    def total(self) -> Decimal:
        return self.change.total if self.change else Decimal(0)


def upgradable(version: PlanVersion, *, now: dt.datetime) -> QuerySet[Subscription]:
    """What runs, or is to begin, on earlier versions of the version's plan, by client and
    workspace. Some of it may be refused."""
    return (
        Subscription.objects.running_or_planned(now)
        .filter(
            not_empty(),
            plan_version__plan=version.plan_id,
            plan_version__number__lt=version.number,
        )
        .select_related("workspace__client", "plan_version__plan", "agency")
        .order_by("workspace__client__name", "workspace__name", "start", "pk")
    )


def preview_upgrade(
    *, version: PlanVersion, subscriptions: Sequence[Subscription], when: When, now: dt.datetime
) -> list[UpgradePreview]:
    """What moving each of them would come to, found out by doing it and taking it back."""
    return [_preview(version, subscription, when, now) for subscription in subscriptions]


def _preview(
    version: PlanVersion, subscription: Subscription, when: When, now: dt.datetime
) -> UpgradePreview:
    try:
        change = preview_change(
            lambda: _upgrade(subscription, version, when, now, None, ""),
            workspace=subscription.workspace,
            now=now,
        )
    except RefusedError as refused:
        return UpgradePreview(subscription, None, str(refused))
    return UpgradePreview(subscription, change)


@transaction.atomic
def begin_upgrade(
    *,
    version: PlanVersion,
    when: When,
    now: dt.datetime,
    key: str,
    subscription_ids: Collection[int] | None = None,
    made_by: User | None = None,
    reason: str = "",
) -> VersionUpgrade:
    """Write down which subscriptions are to be moved to a version: those of ``subscription_ids``,
    or all that are `upgradable`. `work_on` does it.

    ``key`` makes it this upgrade: asked for again, it answers with the one that is there. Raises
    RefusedError for a draft, where there is nothing to move, and for what is not upgradable.
    """
    refuse_unfit_key(key, longest=LONGEST_KEY)
    if len(reason) > LONGEST_REASON:
        raise RefusedError(f"Say why in at most {LONGEST_REASON} characters.", field="reason")
    earlier = VersionUpgrade.objects.filter(key=key).first()
    if earlier is not None:
        return earlier
    if version.published_at is None:
        raise RefusedError(f"{version} is a draft; publish it before anyone is moved to it.")
    found = list(upgradable(version, now=now))
    if subscription_ids is not None:
        strangers = set(subscription_ids) - {row.pk for row in found}
        if strangers:
            raise RefusedError(
                f"{len(strangers)} of the chosen ones are on no earlier version of "
                f"{version.plan} any more; look at the list again.",
                field="subscriptions",
            )
        found = [row for row in found if row.pk in subscription_ids]
    if not found:
        raise RefusedError(f"Nobody is on an earlier version of {version.plan}.")
    upgrade = VersionUpgrade.objects.create(
        agency_id=version.plan.agency_id,
        plan_version=version,
        when=when,
        reason=reason.strip(),
        key=key,
        made_at=now,
        made_by=made_by,
        created_at=now,
    )
    UpgradeItem.objects.bulk_create(
        UpgradeItem(upgrade=upgrade, subscription=row, from_version_id=row.plan_version_id)
        for row in found
    )
    return upgrade


def work_on(
    *,
    upgrade: VersionUpgrade,
    now: dt.datetime,
    limit: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Move what is waiting of an upgrade, at most ``limit`` items; returns how many were settled.

    Each in its own transaction: what is refused or fails is written down and holds up no other.
    Killed and called again, or called twice at once, it moves nothing twice.
    """
    total = upgrade.items.count()
    settled = 0
    while limit is None or settled < limit:
        size = AT_ONCE if limit is None else min(AT_ONCE, limit - settled)
        waiting = list(upgrade.items.waiting().order_by("pk").values_list("pk", flat=True)[:size])
        for item_id in waiting:
            _settle(item_id, now)
        settled += len(waiting)
        if progress is not None:
            progress(total - upgrade.items.waiting().count(), total)
        if not waiting:
            VersionUpgrade.objects.unfinished().filter(pk=upgrade.pk).update(finished_at=now)
            break
    return settled


def work_on_all(*, now: dt.datetime, limit: int) -> int:
    """The same for every upgrade that is not finished, the oldest first."""
    settled = 0
    for upgrade in VersionUpgrade.objects.unfinished().order_by("pk"):
        settled += work_on(upgrade=upgrade, now=now, limit=limit - settled)
        if settled >= limit:
            break
    return settled


@transaction.atomic
def try_again(*, upgrade: VersionUpgrade) -> int:
    """Let what was refused or failed wait again, to be moved if it can be by now; how many."""
    again = upgrade.items.filter(state__in=(State.REFUSED, State.FAILED))
    waiting: int = again.update(state=State.WAITING, words="", settled_at=None)
    if waiting:
        VersionUpgrade.objects.filter(pk=upgrade.pk).update(finished_at=None)
    return waiting


def _settle(item_id: int, now: dt.datetime) -> None:
    try:
        with transaction.atomic():
            item = lock_row(UpgradeItem.objects.filter(pk=item_id))
            if item.state != State.WAITING:
                return
            upgrade = item.upgrade
            item.following = _upgrade(
                item.subscription,
                upgrade.plan_version,
                cast(When, upgrade.when),
                now,
                upgrade.made_by,
                upgrade.reason,
            )
            item.state, item.settled_at = State.MOVED, now
            item.save(update_fields=["following", "state", "settled_at"])
    except RefusedError as refused:
        _record(item_id, State.REFUSED, str(refused), now)
    except Exception as error:
        _logger.exception("item %s of an upgrade failed", item_id)
        _record(item_id, State.FAILED, f"{type(error).__name__}: {error}", now)


def _record(item_id: int, state: State, words: str, now: dt.datetime) -> None:
    waiting = UpgradeItem.objects.waiting().filter(pk=item_id)
    waiting.update(state=state, words=words, settled_at=now)


def _upgrade(
    subscription: Subscription,
    version: PlanVersion,
    when: When,
    now: dt.datetime,
    made_by: User | None,
    reason: str,
) -> Subscription:
    """Move one, unless somebody decided on something else for it: that is not overruled by what
    is done to many."""
    planned = subscription.continued_by.filter(not_empty(), start__gt=now)
    other = planned.exclude(plan_version=version).select_related("plan_version__plan").first()
    if other is not None:
        raise RefusedError(
            f"It goes on as {other.plan_version} from {other.start:%Y-%m-%d %H:%M} UTC already; "
            "change that one by hand."
        )
    return change_plan(
        subscription=subscription,
        plan_version=version,
        when=when,
        now=now,
        changed_by=made_by,
        reason=reason,
    )
