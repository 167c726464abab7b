"""What a client's pages read. Every read starts from one client; none grows with its rows."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from agencyportal.core.fields import QuantityField
from billing.models import (
    Alert,
    AlertKind,
    AlertRule,
    BalanceEntry,
    BillingPeriod,
    Charge,
    ClientBalance,
    CreditGrant,
    CreditNote,
    GrantRevocation,
    Invoice,
    LineKind,
    OverageQuestion,
    Payment,
    PaymentReversal,
    PeriodUsage,
    PlanAllowance,
    PlanDiscount,
    PlanFee,
    Subscription,
    SubscriptionDiscount,
    TopUpBand,
    TopUpPurchase,
    TopUpRequest,
)
from billing.thresholds import DEFAULT_PERCENTS, as_text
from clients.models import (
    Agency,
    Client,
    ClientMember,
    Meter,
    Platform,
    UsageDay,
    UsageUnit,
    UsageWindow,
    User,
    Workspace,
)

JUST_NOW = dt.timedelta(minutes=10)
"""How long a purchase is greeted as new."""


def memberships(user: User) -> list[ClientMember]:
    """The clients that a person belongs to, by name, with their agencies. One query."""
    return list(
        ClientMember.objects.filter(user=user)
        .select_related("client__agency")
        .order_by("client__name", "pk")
    )


def platform() -> Platform:
    """Who invoices; an empty one where the deployment has not been set up yet."""
    return Platform.objects.first() or Platform(name="Agency Portal")


def workspaces(client: Client) -> QuerySet[Workspace]:
    return Workspace.objects.for_client(client).order_by("name", "pk")


def open_periods(client: Client, now: dt.datetime) -> QuerySet[BillingPeriod]:
    """The periods in progress, one for each workspace that is on a package."""
    return (
        BillingPeriod.objects.for_client(client)
        .filter(start__lte=now, end__gt=now)
        .select_related("plan_version__plan", "subscription", "workspace")
    )


def periods(client: Client) -> QuerySet[BillingPeriod]:
    """Every period of a client's workspaces, running and closed."""
    return BillingPeriod.objects.for_client(client).select_related(
        "workspace__client", "plan_version__plan"
    )


def usage_charged_on(client: Client, invoice: Invoice) -> list[tuple[BillingPeriod, UsageUnit]]:
    """The periods and units whose overage, late usage or top-ups are on an invoice, in its lines'
    order; and every unit of a period that lacked its minimum."""
    charges = (
        Charge.objects.for_client(client)
        .filter(line__invoice=invoice)
        .filter(Q(unit__isnull=False) | Q(kind=LineKind.MINIMUM))
        .select_related("period", "unit")
        .order_by("line__position", "pk")
    )
    rows = list(charges)
    lacking = {row.period_id for row in rows if row.kind == LineKind.MINIMUM}
    counted: dict[int, list[UsageUnit]] = defaultdict(list)
    usage = PeriodUsage.objects.filter(period__in=lacking)  # of none: no query
    for used in usage.select_related("unit").order_by("pk"):
        counted[used.period_id].append(used.unit)
    found: dict[tuple[int, int], tuple[BillingPeriod, UsageUnit]] = {}
    for row in rows:
        for unit in counted[row.period_id] if row.unit is None else [row.unit]:
            found.setdefault((row.period_id, unit.pk), (row.period, unit))
    return list(found.values())


def bands_on_sale(version_ids: Collection[int]) -> dict[int, list[TopUpBand]]:
    """The bands of plan versions that the client's periods are on, cheapest first, by version."""
    found: dict[int, list[TopUpBand]] = defaultdict(list)
    rows = TopUpBand.objects.filter(version_id__in=version_ids).select_related("unit")
    for band in rows.order_by("price", "position", "pk"):
        found[band.version_id].append(band)
    return found


def allowances(version_ids: Collection[int]) -> dict[tuple[int, int], PlanAllowance]:
    """What plan versions include, by (version, unit)."""
    rows = PlanAllowance.objects.filter(version_id__in=version_ids).select_related("unit")
    return {(row.version_id, row.unit_id): row for row in rows}


def fees(version_ids: Collection[int]) -> dict[int, list[PlanFee]]:
    found: dict[int, list[PlanFee]] = defaultdict(list)
    for fee in PlanFee.objects.filter(version_id__in=version_ids):
        found[fee.version_id].append(fee)
    return found


def plan_discounts(version_ids: Collection[int]) -> dict[int, list[PlanDiscount]]:
    """The discounts that come with plan versions, by version."""
    found: dict[int, list[PlanDiscount]] = defaultdict(list)
    for row in PlanDiscount.objects.filter(version_id__in=version_ids):
        found[row.version_id].append(row)
    return found


def agreed_discounts(subscription_ids: Collection[int]) -> dict[int, list[SubscriptionDiscount]]:
    """The discounts that were agreed for subscriptions, by subscription."""
    found: dict[int, list[SubscriptionDiscount]] = defaultdict(list)
    for row in SubscriptionDiscount.objects.filter(subscription_id__in=subscription_ids):
        found[row.subscription_id].append(row)
    return found


def meters(unit_ids: Collection[int], now: dt.datetime) -> dict[int, Meter]:
    """The meter in force of each unit."""
    rows = Meter.objects.filter(unit_id__in=unit_ids, effective_from__lte=now)
    return {row.unit_id: row for row in rows.order_by("effective_from", "version")}


class LabelSum(NamedTuple):
    """What came from one label (empty: nobody said) of one unit of a workspace."""

    label: str
    quantity: Decimal
    events: int
    errors: int
    retries: int


def labels(
    spans: Mapping[int, tuple[dt.date, dt.date]],
) -> dict[tuple[int, int], list[LabelSum]]:
    """Usage by label, the largest first, by (workspace, unit).

    ``spans``: workspace -> first and last local day, both included. One query.
    """
    if not spans:
        return {}
    wanted = Q()
    for workspace_id, span in spans.items():
        wanted |= Q(workspace_id=workspace_id, day__range=span)
    sums = (
        UsageDay.objects.filter(wanted)
        .values_list("workspace_id", "unit_id", "label")
        .annotate(
            total=Sum("quantity"), count=Sum("events"), failed=Sum("errors"), again=Sum("retries")
        )
        .order_by("-total", "-count", "label")
    )
    found: dict[tuple[int, int], list[LabelSum]] = defaultdict(list)
    for workspace_id, unit_id, *row in sums:
        found[workspace_id, unit_id].append(LabelSum(*row))
    return found


def alerts(client: Client) -> QuerySet[Alert]:
    """Alerts that the client is told of, the latest first, with the levels that they name."""
    return (
        Alert.objects.for_client(client)
        .told_to_clients()
        .select_related("workspace", "unit", "period")
        .prefetch_related("crossings")
    )


def alert_rules(agency: Agency) -> list[AlertRule]:
    """The rules of an agency that hold, of whatever scope: `thresholds.rule_for` says which one
    watches what. One that never had any gets the default at the first check, so it holds already.
    """
    rules = list(AlertRule.objects.for_agency(agency))
    if all(rule.is_clients or rule.kind == AlertKind.MARGIN for rule in rules):
        rules.append(AlertRule(pk=0, agency=agency, levels=as_text(DEFAULT_PERCENTS)))
    return [rule for rule in rules if rule.is_active]


def running_units(client: Client, now: dt.datetime) -> list[UsageWindow]:
    """What is counted now: a window for each unit of each workspace that is on a package."""
    return list(
        UsageWindow.objects.for_client(client)
        .filter(start__lte=now, end__gt=now)
        .select_related("workspace", "unit")
        .order_by("workspace__name", "workspace_id", "unit__plural", "unit_id")
    )


def units(client: Client, now: dt.datetime) -> list[UsageUnit]:
    """The units that are counted now in any workspace of the client."""
    running = UsageWindow.objects.for_client(client).filter(start__lte=now, end__gt=now)
    return list(UsageUnit.objects.filter(pk__in=running.values("unit")).order_by("plural", "pk"))


def questions(client: Client) -> QuerySet[OverageQuestion]:
    """What was asked about going on past the package, the latest first."""
    return (
        OverageQuestion.objects.for_client(client)
        .select_related(
            "client", "workspace__client", "unit", "period__plan_version", "answer__answered_by"
        )
        .order_by("-asked_at", "-pk")
    )


def purchases(client: Client) -> QuerySet[TopUpPurchase]:
    """What was bought, the latest first. ``left``: what the last closed period left of it (None:
    no period that saw it is closed); ``taken_back``: what was revoked of it since; ``revoked``:
    ever."""
    grants = CreditGrant.objects.with_left().filter(purchase=OuterRef("pk"))
    none = QuantityField.literal(0)
    revoked = (
        GrantRevocation.objects.filter(grant__purchase=OuterRef("pk"))
        .order_by()
        .values("grant")
        .annotate(total=Sum("quantity"))
        .values("total")
    )
    return (
        TopUpPurchase.objects.for_client(client)
        .select_related("workspace", "unit", "band", "grant", "purchased_by")
        .annotate(
            left=Subquery(grants.values("left")),  # type: ignore[misc]  # annotated
            taken_back=Subquery(grants.values("taken_back")),  # type: ignore[misc]  # annotated
            revoked=Coalesce(Subquery(revoked), none),
        )
        .order_by("-purchased_at", "-pk")
    )


def given(client: Client, now: dt.datetime) -> QuerySet[CreditGrant]:
    """Adjustments and promotional credit that has not expired, with what is left by closed
    periods, the next to expire first."""
    return (
        CreditGrant.objects.for_client(client)
        .with_left()
        .filter(kind__in=(CreditGrant.Kind.ADJUSTMENT, CreditGrant.Kind.PROMOTIONAL))
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .filter(Q(left=None) | Q(left__gt=Decimal(0)))
        .select_related("workspace", "unit")
        .order_by(F("expires_at").asc(nulls_last=True), "pk")
    )


def requests(client: Client) -> QuerySet[TopUpRequest]:
    """What was asked for, the latest first."""
    return (
        TopUpRequest.objects.for_client(client)
        .select_related(
            "workspace__client", "band__unit", "band__version", "requested_by", "decided_by"
        )
        .order_by("-requested_at", "-pk")
    )


def count_waiting_requests(client: Client) -> int:
    """Requests that a client's admin can decide on: the agency's own bands are not theirs."""
    waiting = TopUpRequest.objects.for_client(client).pending()
    return waiting.filter(band__buyer=TopUpBand.Buyer.CLIENT).count()


def invoices(client: Client) -> QuerySet[Invoice]:
    """What was issued to a client, the latest first, with where its file stands."""
    return (
        Invoice.objects.for_client(client)
        .issued()
        .defer("snapshot")
        .select_related("document")
        .order_by("-issued_at", "-pk")
    )


def credit_notes(client: Client) -> QuerySet[CreditNote]:
    """What was credited to a client, the latest first, with where its file stands."""
    return (
        CreditNote.objects.for_client(client)
        .defer("snapshot")
        .select_related("document", "invoice")
        .defer("invoice__snapshot", "snapshot")
        .order_by("-issued_at", "-pk")
    )


def balances(client: Client) -> QuerySet[ClientBalance]:
    """What of a client's money lies with the platform, by currency; nothing where there is none."""
    return ClientBalance.objects.for_client(client).filter(amount__gt=Decimal(0))


def balance_entries(client: Client) -> QuerySet[BalanceEntry]:
    """How a client's balances came about, the latest first."""
    return (
        BalanceEntry.objects.for_client(client)
        .select_related("payment__invoice", "credit_note")
        .defer("payment__invoice__snapshot", "credit_note__snapshot")
        .order_by("-pk")
    )


def reversals(client: Client, invoice: Invoice) -> QuerySet[PaymentReversal]:
    """Payments of an invoice that did not stay."""
    return PaymentReversal.objects.for_client(client).filter(payment__invoice=invoice)


def payments(client: Client, invoice: Invoice) -> QuerySet[Payment]:
    return Payment.objects.for_client(client).filter(invoice=invoice)


def charge_of(purchase: TopUpPurchase) -> Charge | None:
    """What a purchase is charged as, with the line of the invoice that it is on, if any."""
    return (
        Charge.objects.for_client(purchase.workspace.client_id)
        .filter(key=f"top_up:{purchase.pk}")
        .select_related("line__invoice")
        .first()
    )


def subscriptions(client: Client, now: dt.datetime) -> list[Subscription]:
    """The packages that run now or will, the earliest first."""
    return list(
        Subscription.objects.for_client(client)
        .filter(Q(end=None) | Q(end__gt=now))
        .select_related("workspace", "plan_version__plan")
        .order_by("workspace__name", "start")
    )


def next_periods(subscription_ids: Iterable[int], now: dt.datetime) -> dict[int, dt.datetime]:
    """When the period in progress of each subscription ends."""
    rows = (
        BillingPeriod.objects.filter(
            subscription_id__in=list(subscription_ids), start__lte=now, end__gt=now
        )
        .values_list("subscription_id")
        .annotate(Max("end"))
        .order_by()
    )
    return dict(rows)


def next_fees(subscription_ids: Iterable[int], now: dt.datetime) -> dict[int, dt.datetime]:
    """When fees that are asked for longer than a period are asked next, by subscription."""
    asked = BillingPeriod.objects.filter(
        subscription_id__in=list(subscription_ids), start__lte=now, fees_end__gt=now
    )
    goes_on = asked.filter(fees_end=F("fees_full_end")).exclude(subscription__end=F("fees_end"))
    rows = goes_on.values_list("subscription_id", "fees_end")
    return {pk: fees_end for pk, fees_end in rows if fees_end is not None}


def units_held(workspace_ids: Collection[int], now: dt.datetime) -> dict[tuple[int, int], Decimal]:
    """Units that open reservations hold, by (workspace, unit)."""
    windows = UsageWindow.objects.filter(
        workspace_id__in=workspace_ids, start__lte=now, end__gt=now, reserved__gt=Decimal(0)
    )
    return {
        (workspace_id, unit_id): reserved
        for workspace_id, unit_id, reserved in windows.values_list(
            "workspace_id", "unit_id", "reserved"
        )
    }
