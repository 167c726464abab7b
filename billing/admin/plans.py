"""Packages on sale, in all their versions. Published ones are read, never edited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline
from agencyportal.core.admin_columns import display, money, quantity, told
from agencyportal.core.admin_dialogs import Dialog
from billing.models import Plan, PlanAllowance, PlanDiscount, PlanFee, PlanVersion, TopUpBand
from clients.models import Agency

from .upgrades import UpgradeSubscriptions

EXPIRY = {"period_end": "With the period", "never": "Never"}


def pricing_in_words(pricing: dict[str, Any] | None, currency: str) -> str:
    """The scenario document's pricing object in a few words (ENGINE 14)."""
    if not pricing:
        return "–"
    model = pricing["model"]
    if model == "per_unit":
        return f"{_price(pricing['unit_amount'], currency)} each"
    if model == "package":
        price = _price(pricing["package_amount"], currency)
        return f"{price} for every {pricing['package_size']} begun"
    if model == "cost_plus":
        surcharge = pricing.get("surcharge_per_unit")
        added = f" + {_price(surcharge, currency)} each" if surcharge else ""
        percent = pricing.get("margin_percent")
        return f"Cost + {percent} %{added}" if percent else f"Cost + margin rule{added}"
    return f"{model.capitalize()}: " + ", ".join(
        _tier(tier, currency) for tier in pricing.get("tiers", [])
    )


def _tier(tier: dict[str, Any], currency: str) -> str:
    until = f"to {tier['up_to']}" if tier.get("up_to") else "beyond"
    flat = tier.get("flat_amount")
    more = f" + {_price(flat, currency)}" if flat and Decimal(flat) else ""
    return f"{until} {_price(tier.get('unit_amount') or '0', currency)}{more}"


def _price(amount: str, currency: str) -> str:
    return f"{Decimal(amount).normalize():f} {currency}"


class PartInline(ScopedInline):
    """A part of a version, with the plan's currency at hand."""

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = ["version__plan"]
        if any(field.name == "unit" for field in self.model._meta.get_fields()):
            related.append("unit")
        return super().get_queryset(request).select_related(*related)


@told("Amount", ordering="amount")
def fee_amount(fee: PlanFee) -> str:
    return money(fee.amount, fee.version.plan.currency)


class FeeInline(PartInline):
    model = PlanFee
    fields = ("name", "kind", fee_amount, "when", "prorate", "collected_by")
    verbose_name_plural = "fees"


@told("Beyond it")
def overage(allowance: PlanAllowance) -> str:
    words = str(allowance.get_policy_display())
    if allowance.policy == PlanAllowance.Policy.ASK:
        up_to = quantity(Decimal(allowance.policy_options["up_to"]))
        words = f"Ask the client, {up_to} let in meanwhile"
    currency = allowance.version.plan.currency
    price = pricing_in_words(allowance.pricing, currency)
    cap = f", at most {money(allowance.cap_amount, currency)}" if allowance.cap_amount else ""
    return words if price == "–" else f"{words}: {price}{cap}"


class AllowanceInline(PartInline):
    model = PlanAllowance
    fields = ("unit", "included", "rollover_max", "prorate", overage)
    verbose_name_plural = "allowances"


@told("Price", ordering="price")
def band_price(band: TopUpBand) -> str:
    return money(band.price, band.version.plan.currency)


@told("Expires")
def band_expires(band: TopUpBand) -> str:
    return EXPIRY.get(band.expires, f"After {band.expires}")


class BandInline(PartInline):
    model = TopUpBand
    fields = ("name", "unit", "quantity", band_price, band_expires, "buyer")
    verbose_name_plural = "top-up bands"


@told("Takes off")
def discount_off(row: PlanDiscount) -> str:
    if row.percent is not None:
        return f"{quantity(row.percent)} %"
    return f"{money(row.amount, row.version.plan.currency)} a period"


class DiscountInline(PartInline):
    model = PlanDiscount
    fields = ("name", "on", discount_off, "periods")
    verbose_name_plural = "discounts"


class VersionInline(ScopedInline):
    model = PlanVersion
    fields = (
        "number",
        "interval",
        "allowance_interval",
        "anchor",
        "published_at",
        "created_by",
    )
    verbose_name_plural = "versions"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("plan", "created_by")


class OfAgency(ReadOnlyAdmin):
    """Adds the agency's name to rows that lead to it over another."""

    agency_of = ""

    @display(description="Agency")
    def agency(self, row: Any) -> Agency | str:
        found: Any = row
        for part in self.agency_of.split("__"):
            found = getattr(found, part)
        return str(found)


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """What the agency sells. New versions come in as documents, by `manage.py import_plan`."""

    list_display = ("name", "slug", "agency", "currency", "archived_at", "created_at")
    list_filter = ("agency", "currency")
    list_select_related = ("agency",)
    search_fields = ("name", "slug")
    inlines = (VersionInline,)
    fields = ("agency", ("name", "slug"), "currency", ("created_at", "archived_at"))


@display(description="State", label={"published": "success", "draft": "warning"})
def published(version: PlanVersion) -> str:
    return "draft" if version.published_at is None else "published"


@told("Minimum")
def minimum(version: PlanVersion) -> str:
    return money(version.minimum_commitment, version.plan.currency)


@admin.register(PlanVersion)
class PlanVersionAdmin(OfAgency):
    """The terms that a subscription was sold: fees, allowances, bands."""

    agency_of = "plan__agency"
    list_display = (
        "__str__",
        "agency",
        "interval",
        "allowance_interval",
        "anchor",
        published,
        "published_at",
    )
    list_filter = ("plan", "interval", "allowance_interval")
    list_select_related = ("plan__agency",)
    search_fields = ("plan__name", "plan__slug")
    inlines = (AllowanceInline, FeeInline, DiscountInline, BandInline)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (UpgradeSubscriptions,)
    fields = (
        ("plan", "number"),
        ("interval", "allowance_interval"),
        ("anchor", "anchor_date"),
        (minimum, "trial_days"),
        ("published_at", "created_by"),
    )
    readonly_fields = (minimum,)
