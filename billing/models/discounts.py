"""What is taken off: discounts of a package, and those agreed with one client."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from agencyportal.core.fields import MoneyField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User, Workspace

from .plans import PlanPartQuerySet, PlanVersion
from .subscriptions import Subscription


class DiscountScope(models.TextChoices):
    """The charges of a period that a discount is on."""

    FEES = "fees", "Fees of each period"
    ONCE = "once", "Fees asked once"
    OVERAGE = "overage", "Usage beyond the allowance"
    ALL = "all", "All of these"


def _constraints(model: str) -> tuple[models.BaseConstraint, ...]:
    return (
        models.CheckConstraint(
            condition=Q(percent__gt=0, percent__lte=100, amount__isnull=True)
            | Q(percent__isnull=True, amount__gt=0),
            name=f"{model}_percent_or_amount",
        ),
        models.CheckConstraint(
            condition=Q(periods__isnull=True) | Q(periods__gt=0), name=f"{model}_some_periods"
        ),
    )


class Discount(models.Model):
    """``percent`` or ``amount`` off, in ``periods`` periods or, without, for ever."""

    name = models.CharField(max_length=200)
    on = models.CharField(max_length=10, choices=DiscountScope.choices)
    percent = QuantityField(null=True, blank=True)
    amount = MoneyField(null=True, blank=True, help_text="For each period.")
    periods = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: for ever.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class PlanDiscount(Discount):
    """A discount that comes with a package, from a subscription's first period on."""

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="discounts")
    position = models.PositiveSmallIntegerField(default=0)

    objects = PlanPartQuerySet.as_manager()

    class Meta:
        ordering = ("version", "position", "pk")
        constraints = (
            *_constraints("plan_discount"),
            models.UniqueConstraint(fields=("version", "name"), name="plan_discount_name_once"),
        )


class SubscriptionDiscountQuerySet(ScopedQuerySet["SubscriptionDiscount"]):
    agency_path = "agency"
    client_path = "client"


class SubscriptionDiscount(Discount):
    """A discount agreed for one subscription: in the periods that start from ``effective_at`` on
    and before ``expires_at``. Only its end is ever set, once."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="discounts"
    )
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    key = models.CharField(max_length=200, unique=True, help_text="What caused it, once.")
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = SubscriptionDiscountQuerySet.as_manager()

    class Meta:
        ordering = ("subscription", "effective_at", "pk")
        constraints = (
            *_constraints("subscription_discount"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gte=models.F("effective_at")),
                name="subscription_discount_ends_after_it_begins",
            ),
        )
