"""Packages on sale. A version is what a subscription was sold; once published it never changes."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField, TimeZoneField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, UsageUnit, User


class CollectedBy(models.TextChoices):
    """Who takes the money. What the agency collects itself is shown, not due and not paid out."""

    PLATFORM = "platform", "The platform"
    AGENCY = "agency", "The agency itself"


class PlanQuerySet(ScopedQuerySet["Plan"]):
    agency_path = "agency"


class Plan(models.Model):
    """A package an agency sells."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="plans")
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=200)
    currency = CurrencyField()
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = PlanQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("agency", "slug"), name="plan_slug_once_per_agency"),
        )

    def __str__(self) -> str:
        return self.name


class PlanVersionQuerySet(ScopedQuerySet["PlanVersion"]):
    agency_path = "plan__agency"


class PlanVersion(models.Model):
    """Terms of a plan. A draft may be edited; publishing freezes it and its parts for good."""

    class Interval(models.TextChoices):
        MONTH = "month", "Monthly"
        QUARTER = "quarter", "Quarterly"
        YEAR = "year", "Yearly"

    class Anchor(models.TextChoices):
        CALENDAR = "calendar", "First day of the calendar month, quarter or year"
        START = "start", "The day the subscription starts"
        DATE = "date", "A given date"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    interval = models.CharField(max_length=10, choices=Interval.choices)
    allowance_interval = models.CharField(
        "allowances' interval",
        max_length=10,
        choices=Interval.choices,
        blank=True,
        default="",
        help_text="Of the periods, where it is shorter than that of the fees; else empty.",
    )
    anchor = models.CharField(max_length=10, choices=Anchor.choices, default=Anchor.START)
    anchor_date = models.DateField(null=True, blank=True)
    minimum_commitment = MoneyField(null=True, blank=True)
    trial_days = models.PositiveSmallIntegerField(
        default=0, help_text="Local days that a subscription begins with and does not pay for."
    )
    timezone = TimeZoneField(
        blank=True,
        default="",
        help_text="Zone its scenarios are computed in; a subscription has its client's.",
    )
    published_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = PlanVersionQuerySet.as_manager()

    class Meta:
        ordering = ("plan", "number")
        constraints = (
            models.UniqueConstraint(fields=("plan", "number"), name="plan_version_once"),
            models.CheckConstraint(
                condition=models.Q(anchor="date", anchor_date__isnull=False)
                | (~models.Q(anchor="date") & models.Q(anchor_date__isnull=True)),
                name="plan_version_anchor_date_with_date_anchor",
            ),
            models.CheckConstraint(
                condition=models.Q(allowance_interval="")
                | models.Q(interval="year", allowance_interval__in=("month", "quarter"))
                | models.Q(interval="quarter", allowance_interval="month"),
                name="plan_version_allowance_interval_shorter",
            ),
        )

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"

    @property
    def period_interval(self) -> str:
        """The interval of its periods: that of the allowances."""
        return self.allowance_interval or self.interval

    @property
    def fee_interval(self) -> str:
        """The interval of its fees where it is longer than a period; else empty."""
        return self.interval if self.allowance_interval else ""


class PlanPartQuerySet(ScopedQuerySet[Any]):
    agency_path = "version__plan__agency"


class PlanFee(models.Model):
    """An amount asked once, or for each period in advance."""

    class Kind(models.TextChoices):
        IMPLEMENTATION = "implementation", "Implementation fee"
        BASE = "base", "Base package"
        SUPPORT = "support", "Support"

    class When(models.TextChoices):
        ONCE = "once", "Once, on activation"
        PERIOD = "period", "Each period, in advance"

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="fees")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    amount = MoneyField()
    when = models.CharField(max_length=10, choices=When.choices)
    prorate = models.BooleanField(default=True)
    collected_by = models.CharField(
        max_length=10, choices=CollectedBy.choices, default=CollectedBy.PLATFORM
    )

    objects = PlanPartQuerySet.as_manager()

    class Meta:
        ordering = ("version", "position", "pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="fee_not_negative"),
        )

    def __str__(self) -> str:
        return self.name


class PlanAllowance(models.Model):
    """What a period includes of one unit, and what happens past the last credit.

    ``pricing`` and ``policy_options`` hold the scenario document's objects (decimals as strings),
    checked by billing/scenario.py when the version is written.
    """

    class Policy(models.TextChoices):
        BLOCK = "block", "Block"
        BILL = "bill", "Bill the overage"
        TOP_UP = "top_up", "Top up automatically"
        NOTIFY = "notify", "Notify only"
        ASK = "ask", "Ask the client"

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="allowances")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField(default=0)
    included = QuantityField()
    rollover_max = QuantityField(default=0)
    prorate = models.BooleanField(default=True)
    policy = models.CharField(max_length=10, choices=Policy.choices)
    policy_options = models.JSONField(default=dict, blank=True)
    pricing = models.JSONField(null=True, blank=True)
    cap_amount = MoneyField(null=True, blank=True)

    objects = PlanPartQuerySet.as_manager()

    class Meta:
        ordering = ("version", "position", "pk")
        constraints = (
            models.UniqueConstraint(fields=("version", "unit"), name="allowance_once_per_unit"),
            models.CheckConstraint(
                condition=models.Q(included__gte=0, rollover_max__gte=0),
                name="allowance_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{plain(self.included)} {self.unit.plural}"


class TopUpBand(models.Model):
    """A bundle on sale beside the allowance."""

    class Buyer(models.TextChoices):
        CLIENT = "client", "The client's admin"
        AGENCY = "agency", "The agency only"

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="top_ups")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=200)
    quantity = QuantityField()
    price = MoneyField()
    expires = models.CharField(
        max_length=20, help_text="`period_end`, `never`, or an ISO 8601 duration such as P90D."
    )
    buyer = models.CharField(max_length=10, choices=Buyer.choices, default=Buyer.CLIENT)

    objects = PlanPartQuerySet.as_manager()

    class Meta:
        ordering = ("version", "position", "pk")
        constraints = (
            models.UniqueConstraint(fields=("version", "name"), name="band_name_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gt=0, price__gte=0), name="band_positive"
            ),
        )

    def __str__(self) -> str:
        return self.name
