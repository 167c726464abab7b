"""What a client counts, and how events become a quantity of it."""

from __future__ import annotations

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet, platform_row

from .parties import Agency
from .people import User


@platform_row("the catalogue of units is the same for every agency")
class UnitTemplate(models.Model):
    """An entry of the catalogue that ships with the platform (see DOMAIN words in the README)."""

    slug = models.SlugField(max_length=60, unique=True)
    automation = models.CharField(max_length=60, help_text="The kind of deployment it suits.")
    name = models.CharField(max_length=100, help_text="Singular, as on an invoice: conversation.")
    plural = models.CharField(max_length=100)
    aggregation = models.CharField(max_length=10)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.name


class UsageUnitQuerySet(ScopedQuerySet["UsageUnit"]):
    agency_path = "agency"


class UsageUnit(models.Model):
    """What the client counts: a conversation, a page, a qualified lead."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="units")
    template = models.ForeignKey(
        UnitTemplate, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=100)
    plural = models.CharField(max_length=100)
    decimals = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(6)],
        help_text="Decimal places a prorated allowance is rounded up to.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = UsageUnitQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.UniqueConstraint(fields=("agency", "slug"), name="unit_slug_once_per_agency"),
        )

    def __str__(self) -> str:
        return self.name


class MeterQuerySet(ScopedQuerySet["Meter"]):
    agency_path = "unit__agency"


class Meter(models.Model):
    """One version of how events become a quantity of a unit. The version in force at an event's
    time counts it; the event keeps that version, so a change never moves the past.
    """

    class Aggregation(models.TextChoices):
        COUNT = "count", "Count events"
        SUM = "sum", "Sum a property"
        UNIQUE = "unique", "Count subjects once per period"

    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="meters")
    version = models.PositiveIntegerField()
    aggregation = models.CharField(max_length=10, choices=Aggregation.choices)
    property_name = models.CharField(
        max_length=100, blank=True, help_text="What `sum` adds: the name in `properties`."
    )
    filters = models.JSONField(
        default=list,
        blank=True,
        help_text="Conditions an event must meet to count; see clients/metering.py.",
    )
    weights = models.JSONField(
        default=list,
        blank=True,
        help_text="Rules that make an expensive action count as more; the first match wins.",
    )
    effective_from = models.DateTimeField(help_text="Counts events that occurred from here on.")
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = MeterQuerySet.as_manager()

    class Meta:
        ordering = ("unit", "version")
        constraints = (
            models.UniqueConstraint(fields=("unit", "version"), name="meter_version_once"),
            models.UniqueConstraint(fields=("unit", "effective_from"), name="meter_date_once"),
        )

    def __str__(self) -> str:
        return f"{self.unit} v{self.version}: {self.aggregation}"
