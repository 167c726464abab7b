"""What a workspace really did, as a scenario that plans can be tried on. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from billing.comparison import Candidate
from billing.margin import rule_in_force
from billing.models import BillingPeriod, CreditGrant, PlanVersion, TopUpPurchase
from billing.plan_documents import AllowanceDocument, PlanDocument, TopUpDocument
from billing.rating import CostPlus
from billing.refusals import RefusedError
from billing.scenario import GrantDocument, PurchaseDocument, ScenarioDocument, UsageDocument
from billing.services.overage import MarginRules
from billing.services.plans import plan_document
from billing.waterfall import GrantKind
from clients.models import UsageUnit, Workspace
from clients.selectors import counted_quarters_by_unit

ZERO: Final = Decimal(0)
GIVEN: Final = (CreditGrant.Kind.ADJUSTMENT, CreditGrant.Kind.PROMOTIONAL)


def history_of(
    *, workspace: Workspace, periods: int, now: dt.datetime
) -> tuple[ScenarioDocument, list[BillingPeriod]]:
    """A workspace's latest whole periods as a scenario under the plan that it was on last; a trial
    is none of them.

    At most ``periods`` of them that have ended by ``now``, following each other without a gap;
    where none has, the one in progress, up to ``now``. Usage is what was counted, with what it
    cost, by the quarter hour; purchases and given credit go along. Unit names are slugs.

    Raises RefusedError where the workspace has never been on a package.
    """
    rows = _latest(workspace, periods, now)
    if not rows:
        raise RefusedError(f"{workspace} has not been on a package yet: there is no history.")
    start, until = rows[0].start, min(rows[-1].end, now)
    last = rows[-1]
    plan = replace(
        stated_plan(last.plan_version, last),
        timezone=last.timezone,
        anchor=last.subscription.anchor_date,
    )
    slugs = dict(
        UsageUnit.objects.for_agency(workspace.agency_id)
        .filter(slug__in=plan.units)
        .values_list("pk", "slug")
    )
    scenario = ScenarioDocument(
        plan=plan,
        start=start,
        end=None,
        until=until,
        purchases=tuple(_purchases(workspace, plan, start, until)),
        grants=tuple(_given(workspace, slugs, start, until)),
        usage=tuple(_usage(workspace, start, until)),
        trial_days=0,
    )
    return scenario, rows


def stated_plan(version: PlanVersion, period: BillingPeriod) -> PlanDocument:
    """A version's terms as in a period: where a price follows the margin rule, with what the rule
    in force says.

    Raises RefusedError where rules differ by model, which a scenario cannot say.
    """
    plan = plan_document(version)
    rules = MarginRules([period])
    units = {
        unit.slug: unit
        for unit in UsageUnit.objects.for_agency(period.agency_id).filter(slug__in=plan.units)
    }
    allowances = tuple(
        _stated(allowance, units[allowance.unit], period, rules) for allowance in plan.allowances
    )
    return replace(plan, allowances=allowances)


def candidate(version: PlanVersion, period: BillingPeriod, *, name: str) -> Candidate:
    """A stored plan to compare a history with; its margin rules are those of the history."""
    return Candidate(name, stated_plan(version, period))


def _latest(workspace: Workspace, count: int, now: dt.datetime) -> list[BillingPeriod]:
    paid = workspace.periods.filter(is_trial=False)
    rows = paid.select_related("plan_version__plan", "subscription")
    rows = rows.order_by("-start")
    ended = list(rows.filter(end__lte=now)[:count]) or list(rows.filter(start__lte=now)[:1])
    found: list[BillingPeriod] = []
    for row in ended:
        if found and row.end != found[0].start:
            break
        found.insert(0, row)
    return found


def _stated(
    allowance: AllowanceDocument, unit: UsageUnit, period: BillingPeriod, rules: MarginRules
) -> AllowanceDocument:
    pricing = allowance.overage.pricing
    if not (isinstance(pricing, CostPlus) and pricing.follows_margin_rule):
        return allowance
    known = rules.of(period, unit.pk)
    if any(rule.model is not None for rule in known):
        raise RefusedError(
            f"The margin on {unit.plural} differs by model, so that it cannot be compared by "
            "quarter hours; state a margin in the plan."
        )
    rule = rule_in_force(
        known,
        period_start=period.start,
        workspace=period.workspace_id,
        client=period.client_id,
        unit=unit.pk,
        model=None,
    )
    percent, surcharge = (rule.percent, rule.surcharge) if rule else (ZERO, ZERO)
    stated = CostPlus(margin_percent=percent, surcharge_per_unit=surcharge)
    return replace(allowance, overage=replace(allowance.overage, pricing=stated))


def _usage(workspace: Workspace, start: dt.datetime, until: dt.datetime) -> Iterator[UsageDocument]:
    rows = counted_quarters_by_unit(workspace_id=workspace.pk, start=start, end=until)
    slugs = dict(UsageUnit.objects.filter(pk__in=rows).values_list("pk", "slug"))
    for unit_id, quarters in rows.items():
        for quarter in quarters:
            cost = quarter.platform_cost + quarter.agency_cost
            yield UsageDocument(slugs[unit_id], quarter.start, quarter.quantity, cost)


def _purchases(
    workspace: Workspace, plan: PlanDocument, start: dt.datetime, until: dt.datetime
) -> Iterator[PurchaseDocument]:
    """What was bought, at what it cost then; bands that the last plan has no more included."""
    rows = TopUpPurchase.objects.filter(
        workspace=workspace, purchased_at__gte=start, purchased_at__lt=until
    ).select_related("band", "unit")
    for row in rows.order_by("purchased_at", "pk"):
        band = TopUpDocument(
            unit=row.unit.slug,
            name=row.band.name,
            quantity=row.quantity,
            price=row.price,
            expires=row.band.expires,
        )
        if band.unit in plan.units:
            yield PurchaseDocument(band, row.purchased_at)


def _given(
    workspace: Workspace, slugs: dict[int, str], start: dt.datetime, until: dt.datetime
) -> Iterator[GrantDocument]:
    rows = CreditGrant.objects.filter(
        workspace=workspace,
        unit__in=slugs,
        kind__in=GIVEN,
        effective_at__gte=start,
        effective_at__lt=until,
    )
    for row in rows.order_by("pk"):
        yield GrantDocument(
            id=f"{row.kind}:{row.pk}",
            unit=slugs[row.unit_id],
            kind=GrantKind(row.kind),
            quantity=row.quantity,
            effective_at=row.effective_at,
            expires_at=row.expires_at,
            priority=row.priority,
        )


def latest_published(
    *, workspace: Workspace, slugs: Sequence[str], units: Collection[str] = ()
) -> dict[str, PlanVersion]:
    """The latest published version of an agency's plans, by slug. Where no slug is named, of all
    that are sold in the client's currency, not archived, and include every one of ``units``.

    Raises RefusedError for a slug that the agency has no published plan of.
    """
    versions = (
        PlanVersion.objects.for_agency(workspace.agency_id)
        .exclude(published_at=None)
        .select_related("plan")
        .order_by("plan__slug", "number")
    )
    if slugs:
        versions = versions.filter(plan__slug__in=slugs)
    else:
        currency = workspace.client.currency
        versions = versions.filter(plan__archived_at=None, plan__currency=currency)
    found = {version.plan.slug: version for version in versions}
    if not slugs:
        found = {
            slug: version
            for slug, version in found.items()
            if set(units) <= {row.unit.slug for row in version.allowances.select_related("unit")}
        }
    if missing := sorted(set(slugs) - set(found)):
        raise RefusedError(f"{workspace.agency} has no published plan {', '.join(missing)}.")
    return found
