"""Plans in and out as documents (ENGINE 14). A published version is never edited: a changed
document becomes the next version, the same document again is the version it made before."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils.text import slugify

from agencyportal.core.periods import Anchor, Interval
from billing.discounts import DiscountDocument, Scope
from billing.models import (
    BillingPeriod,
    Plan,
    PlanAllowance,
    PlanDiscount,
    PlanFee,
    PlanVersion,
    SubscriptionDiscount,
    TopUpBand,
)
from billing.overage_documents import dump_overage, parse_overage
from billing.plan_documents import (
    AllowanceDocument,
    Buyer,
    Collector,
    FeeDocument,
    FeeKind,
    FeeWhen,
    PlanDocument,
    TopUpDocument,
    dump_plan,
    read_plan,
)
from billing.plan_limits import refuse_unbillable
from billing.rating import dump_pricing
from billing.strict_json import DocumentError, Node
from billing.trials import in_trial
from clients.models import Agency, UsageUnit, User

SLUG_LENGTH = 60
NAME_LENGTH = 200
OVERAGE_COLUMNS = ("policy", "pricing", "cap_amount")
"""Members of the `overage` object with a column of their own; the others are policy options."""


@transaction.atomic
def import_plan(
    *,
    agency: Agency,
    document: Mapping[str, Any] | PlanDocument,
    now: dt.datetime,
    slug: str | None = None,
    created_by: User | None = None,
) -> PlanVersion:
    """The published version of a plan that says what ``document`` says.

    ``document``: a scenario document, of which the ``plan`` is taken, a plan object, or a parsed
    plan. ``slug`` names the plan within the agency, by default after the plan's name. Nothing is
    written when the latest version says the same already; a new name alone renames the plan.

    Raises DocumentError, with the path, for what cannot be read, for units that the agency does
    not have, for a currency that is not the plan's, and for amounts that no invoice could say.
    Holds the plan's row while it compares.
    """
    parsed = document if isinstance(document, PlanDocument) else _read(document)
    _refuse_long_names(parsed)
    refuse_unbillable(parsed, "plan")
    units = _units_of(agency, parsed)
    plan = _plan_of(agency, parsed, _slug_of(parsed, slug))
    latest = plan.versions.exclude(published_at=None).order_by("-number").first()
    if latest is not None and plan_document(latest) == parsed:
        return latest
    newest = plan.versions.order_by("-number").values_list("number", flat=True).first()
    version = _write_draft(plan, parsed, (newest or 0) + 1, now, created_by)
    _write_parts(version, parsed, units)
    version.published_at = now  # last: from here on nothing of it can change
    version.save(update_fields=["published_at"])
    return version


def export_plan(version: PlanVersion) -> dict[str, Any]:
    """A version as a document that `import_plan` reads as the same version."""
    return {"plan": dump_plan(plan_document(version))}


def plan_document(version: PlanVersion) -> PlanDocument:
    """The plan that a version's rows say, for the cores."""
    return terms_of(version).plan


@dataclass(frozen=True, slots=True)
class Terms:
    """A version as the cores read it, and the rows that its parts come from."""

    plan: PlanDocument
    fees: tuple[PlanFee, ...]
    discounts: tuple[PlanDiscount, ...]
    units: dict[str, UsageUnit]
    """Units of the package by slug, in the order of `PlanDocument.units`."""

    def of(self, period: BillingPeriod) -> Terms:
        """What they are in a period: those of the trial, where it is one."""
        if not period.is_trial:
            return self
        return replace(self, plan=in_trial(self.plan), fees=(), discounts=())


def terms_in(terms: Mapping[int, Terms], period: BillingPeriod) -> Terms:
    """The terms of a period, by the ids of plan versions."""
    return terms[period.plan_version_id].of(period)


def terms_of(version: PlanVersion) -> Terms:
    """The terms of a version: four queries, and one more where its plan is not loaded."""
    return terms_by_version([version])[version.pk]


def terms_by_version(versions: Iterable[PlanVersion]) -> dict[int, Terms]:
    """The terms of versions by id, in as many queries as for one."""
    wanted = {version.pk: version for version in versions}
    fees = _parts_of(wanted, PlanFee.objects.all())
    allowances = _parts_of(wanted, PlanAllowance.objects.select_related("unit"))
    top_ups = _parts_of(wanted, TopUpBand.objects.select_related("unit"))
    discounts = _parts_of(wanted, PlanDiscount.objects.all())
    return {
        pk: _terms(version, fees[pk], allowances[pk], top_ups[pk], discounts[pk])
        for pk, version in wanted.items()
    }


def _parts_of(version_ids: Iterable[int], parts: QuerySet[Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for part in parts.filter(version__in=version_ids).order_by("position", "pk"):
        found[part.version_id].append(part)
    return found


def _terms(
    version: PlanVersion,
    fees: Sequence[PlanFee],
    allowances: Sequence[PlanAllowance],
    top_ups: Sequence[TopUpBand],
    discounts: Sequence[PlanDiscount],
) -> Terms:
    plan = PlanDocument(
        name=version.plan.name,
        currency=version.plan.currency,
        timezone=version.timezone or None,
        interval=cast(Interval, version.interval),
        anchor=anchor_of(version),
        fees=tuple(map(_fee_document, fees)),
        allowances=tuple(_allowance_document(row, version) for row in allowances),
        top_ups=tuple(map(band_document, top_ups)),
        minimum_commitment=version.minimum_commitment,
        discounts=tuple(map(discount_document, discounts)),
        trial_days=version.trial_days,
    )
    units = [*(row.unit for row in allowances), *(row.unit for row in top_ups)]
    rows = {unit.slug: unit for unit in units}
    by_slug = {slug: rows[slug] for slug in plan.units}
    return Terms(plan, tuple(fees), tuple(discounts), by_slug)


def _read(document: Mapping[str, Any]) -> PlanDocument:
    if not isinstance(document, dict):
        raise DocumentError("", "a scenario document or a plan is needed: an object, not a list")
    return read_plan(Node(document.get("plan", document), "plan"))


def _slug_of(plan: PlanDocument, slug: str | None) -> str:
    found = slugify(plan.name)[:SLUG_LENGTH].strip("-") if slug is None else slug
    if not found or slugify(found) != found or len(found) > SLUG_LENGTH:
        raise DocumentError(
            "plan.name",
            f"{found or plan.name!r} makes no slug; name one of small letters, digits and hyphens",
        )
    return found


def _refuse_long_names(plan: PlanDocument) -> None:
    names = [("plan.name", plan.name)]
    names += [(f"plan.fees[{i}].name", fee.name) for i, fee in enumerate(plan.fees)]
    names += [(f"plan.top_ups[{i}].name", band.name) for i, band in enumerate(plan.top_ups)]
    names += [(f"plan.discounts[{i}].name", d.name) for i, d in enumerate(plan.discounts)]
    for path, name in names:
        if len(name) > NAME_LENGTH:
            raise DocumentError(path, f"a name has at most {NAME_LENGTH} characters")


def _units_of(agency: Agency, plan: PlanDocument) -> dict[str, UsageUnit]:
    """The units of the package by slug; each has to exist in the agency."""
    found = {unit.slug: unit for unit in UsageUnit.objects.for_agency(agency)}
    parts: list[tuple[str, int, str]] = [
        *(("allowances", i, allowance.unit) for i, allowance in enumerate(plan.allowances)),
        *(("top_ups", i, band.unit) for i, band in enumerate(plan.top_ups)),
    ]
    for key, index, unit in parts:
        if unit not in found:
            known = ", ".join(sorted(found)) or "none yet"
            raise DocumentError(
                f"plan.{key}[{index}].unit", f"{agency} has no unit {unit!r}; it has {known}"
            )
    return found


def _plan_of(agency: Agency, parsed: PlanDocument, slug: str) -> Plan:
    """The plan's row, locked, under the document's name."""
    Plan.objects.get_or_create(
        agency=agency, slug=slug, defaults={"name": parsed.name, "currency": parsed.currency}
    )
    plan = Plan.objects.select_for_update().get(agency=agency, slug=slug)
    if plan.currency != parsed.currency:
        raise DocumentError(
            "plan.currency",
            f"{slug} is sold in {plan.currency}; make a plan of its own for {parsed.currency}",
        )
    if plan.name != parsed.name:
        plan.name = parsed.name
        plan.save(update_fields=["name"])
    return plan


def _write_draft(
    plan: Plan, parsed: PlanDocument, number: int, now: dt.datetime, created_by: User | None
) -> PlanVersion:
    anchor, anchor_date = PlanVersion.Anchor.START, None
    if isinstance(parsed.anchor, dt.date):
        anchor, anchor_date = PlanVersion.Anchor.DATE, parsed.anchor
    elif parsed.anchor is not None:
        anchor = PlanVersion.Anchor.CALENDAR
    return PlanVersion.objects.create(
        plan=plan,
        number=number,
        interval=parsed.interval,
        allowance_interval=parsed.allowance_interval or "",
        anchor=anchor,
        anchor_date=anchor_date,
        minimum_commitment=parsed.minimum_commitment,
        trial_days=parsed.trial_days,
        timezone=parsed.timezone or "",
        created_at=now,
        created_by=created_by,
    )


def _write_parts(version: PlanVersion, parsed: PlanDocument, units: dict[str, UsageUnit]) -> None:
    PlanFee.objects.bulk_create(
        PlanFee(
            version=version,
            position=position,
            name=fee.name,
            kind=fee.kind,
            amount=fee.amount,
            when=fee.when,
            prorate=fee.prorate,
            collected_by=fee.collected_by,
        )
        for position, fee in enumerate(parsed.fees)
    )
    PlanAllowance.objects.bulk_create(
        _allowance_row(version, position, allowance, units[allowance.unit])
        for position, allowance in enumerate(parsed.allowances)
    )
    TopUpBand.objects.bulk_create(
        TopUpBand(
            version=version,
            unit=units[band.unit],
            position=position,
            name=band.name,
            quantity=band.quantity,
            price=band.price,
            expires=band.expires,
            buyer=band.buyer,
        )
        for position, band in enumerate(parsed.top_ups)
    )
    PlanDiscount.objects.bulk_create(
        PlanDiscount(
            version=version,
            position=position,
            name=discount.name,
            on=discount.on,
            percent=discount.percent,
            amount=discount.amount,
            periods=discount.periods,
        )
        for position, discount in enumerate(parsed.discounts)
    )


def _allowance_row(
    version: PlanVersion, position: int, allowance: AllowanceDocument, unit: UsageUnit
) -> PlanAllowance:
    overage = allowance.overage
    options = dump_overage(replace(overage, pricing=None, cap_amount=None))
    return PlanAllowance(
        version=version,
        unit=unit,
        position=position,
        included=allowance.included,
        rollover_max=allowance.rollover_max,
        prorate=allowance.prorate,
        policy=overage.policy,
        policy_options={key: options[key] for key in options if key not in OVERAGE_COLUMNS},
        pricing=None if overage.pricing is None else dump_pricing(overage.pricing),
        cap_amount=overage.cap_amount,
    )


def fee_interval_of(version: PlanVersion) -> Interval | None:
    """The interval of a version's fees where it is longer than its periods, as the cores say it."""
    return cast(Interval, version.fee_interval) if version.fee_interval else None


def anchor_of(version: PlanVersion) -> Anchor:
    """What a version's periods are counted from, as the cores say it."""
    if version.anchor == PlanVersion.Anchor.DATE:
        return version.anchor_date
    return "calendar" if version.anchor == PlanVersion.Anchor.CALENDAR else None


def discount_document(row: PlanDiscount | SubscriptionDiscount) -> DiscountDocument:
    """A stored discount as the cores read it."""
    return DiscountDocument(
        name=row.name,
        on=cast(Scope, row.on),
        percent=row.percent,
        amount=row.amount,
        periods=row.periods,
    )


def _fee_document(fee: PlanFee) -> FeeDocument:
    return FeeDocument(
        name=fee.name,
        kind=cast(FeeKind, fee.kind),
        amount=fee.amount,
        when=cast(FeeWhen, fee.when),
        prorate=fee.prorate,
        collected_by=cast(Collector, fee.collected_by),
    )


def _allowance_document(row: PlanAllowance, version: PlanVersion) -> AllowanceDocument:
    overage = {"policy": row.policy, "pricing": row.pricing, **row.policy_options}
    return AllowanceDocument(
        unit=row.unit.slug,
        included=row.included,
        overage=replace(parse_overage(overage), cap_amount=row.cap_amount),
        rollover_max=row.rollover_max,
        prorate=row.prorate,
        interval=cast(Interval, version.allowance_interval) if version.allowance_interval else None,
    )


def band_document(row: TopUpBand) -> TopUpDocument:
    """A band as the cores read it. Reads ``row.unit``."""
    return TopUpDocument(
        unit=row.unit.slug,
        name=row.name,
        quantity=row.quantity,
        price=row.price,
        expires=row.expires,
        buyer=cast(Buyer, row.buyer),
    )
