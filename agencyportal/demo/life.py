"""Three months of the sample agencies' business, and the month in progress: as steps of a story.

Everything is recorded, bought, closed, invoiced, paid and paid out by the services that the API,
the schedule and the admin call, each with the instant at which it would have happened, over all
clients in the order of time. So numbers and dates of invoices ascend together.

The story is told as of one instant, which is written down with the first thing that it makes; told
again later, it is the same story and changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

from agencyportal.core.money import round_money
from agencyportal.core.periods import local_date, local_day_start
from agencyportal.demo.habits import PAYERS, RHYTHMS, TOPS_UP, Payer
from agencyportal.demo.script import Order, Step, close, invoice, pay_out
from agencyportal.demo.seeding import Stage, month_start
from agencyportal.demo.workload import Day, Rhythm, events_of, quotas, story_days
from billing.models import CreditGrant, Invoice, Payment, Subscription, TopUpBand, TopUpRequest
from billing.services.grants import adjust
from billing.services.payments import record_payment
from billing.services.purchases import buy_on_account
from billing.services.requests import ask_for_top_up
from billing.services.subscriptions import activate
from clients.models import Agency, Client, UsageEvent, User, Workspace
from clients.services.recording import record_events
from clients.submission import event_from
from payouts.services.earnings import post_due_earnings

MONTHS = 3
"""Whole months before the one in progress."""

PAID_OUT_AFTER = dt.timedelta(hours=9)
NEARLY_USED_UP = Decimal("0.92")


@dataclass(frozen=True)
class Life:
    """The story of a stage that is set."""

    stage: Stage
    units_per_event: int = 1
    """Above 1 puts so many runs into one event: the same totals, told faster."""
    days_per_batch: int = 2

    @property
    def now(self) -> dt.datetime:
        return self.stage.now

    def steps(self) -> Iterator[Step]:
        """All that happened, in no order."""
        used: dict[str, list[tuple[Day, int]]] = {}
        for slug, rhythm in RHYTHMS.items():
            workspace = self.stage.workspaces[slug]
            used[slug] = self._usage(workspace, rhythm)
            yield self._activation(workspace, used[slug][0][0].date)
            yield from self._recording(workspace, rhythm, used[slug])
        for slug, (band, buyer, months) in TOPS_UP.items():
            yield from self._top_ups(self.stage.workspaces[slug], band, buyer, months, used[slug])
        yield self._goodwill(self.stage.workspaces["fern-support"])
        yield from self._billing()
        yield from self._payouts()
        yield from self._alerts()
        yield self._request(self.stage.workspaces["acme-support"], "Growth 500")

    # --- Use -----------------------------------------------------------------------------------

    def _usage(self, workspace: Workspace, rhythm: Rhythm) -> list[tuple[Day, int]]:
        zone = workspace.client.timezone
        first = local_date(self._month(workspace.client, 0), zone)
        days = story_days(rhythm, first=first, now=self.now, timezone=zone)
        units = quotas(rhythm, workspace.slug, days)
        return [(day, units[day.date]) for day in days]

    def _activation(self, workspace: Workspace, date: dt.date) -> Step:
        start = local_day_start(date, workspace.client.timezone)
        return Step(start, Order.ACTIVATE, partial(self._activate, workspace, start))

    def _activate(self, workspace: Workspace, start: dt.datetime) -> None:
        if not Subscription.objects.filter(workspace=workspace).exists():
            activate(
                workspace=workspace,
                plan_version=self.stage.plans[workspace.slug],
                start=start,
                now=start,
                created_by=self._manager(workspace.agency),
            )

    def _recording(
        self, workspace: Workspace, rhythm: Rhythm, used: list[tuple[Day, int]]
    ) -> Iterator[Step]:
        zone = workspace.client.timezone
        for batch in _batches(used, self.days_per_batch):
            after = local_day_start(batch[-1][0].date + dt.timedelta(days=1), zone)
            at = min(after, self.now)
            yield Step(at, Order.USE, partial(self._record, workspace, rhythm, batch, at))

    def _record(
        self, workspace: Workspace, rhythm: Rhythm, batch: list[tuple[Day, int]], at: dt.datetime
    ) -> None:
        """A batch is one transaction, so its last event stands for all of it."""
        events: list[dict[str, Any]] = []
        for day, units in batch:
            events += events_of(
                rhythm,
                workspace.slug,
                day,
                units,
                timezone=workspace.client.timezone,
                units_per_event=self.units_per_event,
            )
        if events and (workspace.pk, events[-1]["id"]) not in self._recorded:
            submitted = [event_from(event) for event in events]
            record_events(workspace=workspace, events=submitted, now=at)

    @cached_property
    def _recorded(self) -> set[tuple[int, str]]:
        """Events that an earlier telling recorded, by workspace and id."""
        theirs = UsageEvent.objects.filter(workspace__slug__in=RHYTHMS, source="")
        return set(theirs.values_list("workspace_id", "external_id"))

    # --- Act -----------------------------------------------------------------------------------

    def _top_ups(
        self,
        workspace: Workspace,
        band: str,
        buyer: str,
        months: tuple[int, ...],
        used: list[tuple[Day, int]],
    ) -> Iterator[Step]:
        """Bought on the morning after the allowance was nearly used up."""
        version = self.stage.plans[workspace.slug]
        included = version.allowances.get().included
        for month in months:
            total = 0
            for day, units in used:
                total += units if day.month == month else 0
                if total >= included * NEARLY_USED_UP:
                    morning = dt.datetime.combine(
                        day.date + dt.timedelta(days=1),
                        dt.time(9, 40),
                        ZoneInfo(workspace.client.timezone),
                    )
                    buy = partial(self._buy, workspace, band, buyer, month, morning)
                    yield Step(morning, Order.ACT, buy)
                    break

    def _buy(
        self, workspace: Workspace, band: str, buyer: str, month: int, at: dt.datetime
    ) -> None:
        key = f"demo-{month}"
        if not workspace.purchases.filter(key=key).exists():
            buy_on_account(
                workspace=workspace,
                band=self._band(workspace, band),
                now=at,
                key=key,
                purchased_by=User.objects.get(email=buyer),
            )

    def _goodwill(self, workspace: Workspace) -> Step:
        at = self._month(workspace.client, 2) + dt.timedelta(days=9, hours=10, minutes=20)
        return Step(at, Order.ACT, partial(self._adjust, workspace, at))

    def _adjust(self, workspace: Workspace, at: dt.datetime) -> None:
        if not CreditGrant.objects.filter(workspace=workspace, reason__gt="").exists():
            adjust(
                workspace=workspace,
                unit=workspace.agency.units.get(slug="conversation"),
                quantity=Decimal(40),
                reason="Goodwill: the assistant gave out last season's prices on the weekend",
                created_by=self._manager(workspace.agency),
                now=at,
                key="demo-goodwill",
                expires_at=self._month(workspace.client, 3),
            )

    def _request(self, workspace: Workspace, band: str) -> Step:
        at = max(self._month(workspace.client, MONTHS), self.now - dt.timedelta(hours=3))
        return Step(at, Order.ACT, partial(self._ask, workspace, band, at))

    def _ask(self, workspace: Workspace, band: str, at: dt.datetime) -> None:
        if not TopUpRequest.objects.filter(workspace=workspace).exists():
            ask_for_top_up(
                workspace=workspace,
                band=self._band(workspace, band),
                requested_by=User.objects.get(email="viewer@acme.example"),
                now=at,
                note="We are nearly through, and the winter sale starts next week.",
            )

    def _band(self, workspace: Workspace, name: str) -> TopUpBand:
        return self.stage.plans[workspace.slug].top_ups.get(name=name)

    def _manager(self, agency: Agency) -> User:
        """Who looks after clients: the account manager; in a small agency, its owner."""
        members = agency.members.filter(role__in=("manager", "owner")).order_by("role")
        return members.select_related("user")[0].user

    # --- Bill and pay --------------------------------------------------------------------------

    def _billing(self) -> Iterator[Step]:
        times = set().union(*map(self._bill_times, self.stage.clients))
        for at in sorted(times):
            yield Step(at, Order.BILL, partial(_bill, at))
        for client in self.stage.clients:
            yield from self._payments(client, PAYERS[client.slug])

    def _bill_times(self, client: Client) -> set[dt.datetime]:
        """When something of a client becomes due: first fees, and periods whose grace is over."""
        ends = {self._month(client, number) for number in range(1, MONTHS + 1)}
        grace = dt.timedelta(hours=client.agency.grace_hours)
        times = {end + grace for end in ends}
        for slug, rhythm in RHYTHMS.items():
            if self.stage.workspaces[slug].client_id == client.pk:
                month, day = rhythm.starts
                first = local_date(self._month(client, month), client.timezone)
                times.add(local_day_start(first.replace(day=day), client.timezone))
        return {at for at in times if at <= self.now}

    def _payments(self, client: Client, payer: Payer) -> Iterator[Step]:
        billed = sorted(self._bill_times(client))
        if payer.is_late:
            terms = dt.timedelta(days=client.agency.payment_terms_days + 1)
            overdue = [at for at in billed if at + terms <= self.now]
            billed = [at for at in billed if at < overdue[-1]]
        paid = [at for at in billed if _pays_at(payer, at) <= self.now]
        for at in paid:
            is_half = payer.pays_half_of_last and at == paid[-1]
            share = Decimal("0.5") if is_half else Decimal(1)
            when = _pays_at(payer, at)
            yield Step(when, Order.PAY, partial(self._pay, client, at, when, share))

    def _pay(self, client: Client, issued: dt.datetime, at: dt.datetime, share: Decimal) -> None:
        for owed in Invoice.objects.filter(client=client, issued_at=issued, amount_paid=0):
            if not owed.amount_due:
                continue
            record_payment(
                invoice=owed,
                amount=round_money(owed.total * share, owed.currency),
                currency=owed.currency,
                method=Payment.Method.BANK_TRANSFER,
                reference=f"Wire {owed.number}",
                received_at=at,
                now=at,
                key=f"demo:{owed.number}",
            )

    def _payouts(self) -> Iterator[Step]:
        for agency in self.stage.agencies:
            for back in range(MONTHS):
                start = month_start(agency.timezone, self.now, months_back=back)
                at = start + PAID_OUT_AFTER
                yield Step(at, Order.PAY_OUT, partial(pay_out, agency, now=at))
        yield Step(self.now, Order.PAY_OUT, partial(post_due_earnings, now=self.now))

    def _alerts(self) -> Iterator[Step]:
        """Looked for each morning, and now; the schedule does it every few minutes."""
        zone = self.stage.agencies[0].timezone
        date, today = local_date(self._start(), zone), local_date(self.now, zone)
        while date <= today:
            at = dt.datetime.combine(date, dt.time(9), ZoneInfo(zone))
            yield Step(at, Order.NOTICE, partial(_check_alerts, at))
            date += dt.timedelta(days=1)
        yield Step(self.now, Order.NOTICE, partial(_check_alerts, self.now))

    # --- Times ---------------------------------------------------------------------------------

    def _start(self) -> dt.datetime:
        return min(self._month(client, 0) for client in self.stage.clients)

    def _month(self, client: Client, number: int) -> dt.datetime:
        """When a month of the story starts for a client, from 0; the last is in progress."""
        return month_start(client.timezone, self.now, months_back=MONTHS - number)


def _batches(used: list[tuple[Day, int]], size: int) -> Iterator[list[tuple[Day, int]]]:
    """Days in groups of at most ``size``, none of which goes over the end of a month."""
    batch: list[tuple[Day, int]] = []
    for entry in used:
        if batch and (len(batch) == size or batch[0][0].month != entry[0].month):
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def _pays_at(payer: Payer, billed: dt.datetime) -> dt.datetime:
    day = (billed + dt.timedelta(days=payer.after_days)).date()
    return dt.datetime.combine(day, dt.time(payer.at_hour), dt.UTC)


def _check_alerts(at: dt.datetime) -> None:
    """As the schedule does, where the portal has alerts."""
    if find_spec("billing.services.alerts"):
        import_module("billing.services.alerts").check_alerts(now=at)


def _bill(at: dt.datetime) -> None:
    close(now=at)
    invoice(now=at)
