"""Subscriptions, and the periods they are billed in."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, TimeZoneField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User, Workspace

from .plans import PlanVersion


class SubscriptionQuerySet(ScopedQuerySet["Subscription"]):
    agency_path = "agency"
    client_path = "client"

    def running(self, now: dt.datetime) -> SubscriptionQuerySet:
        return self.filter(start__lte=now).filter(models.Q(end=None) | models.Q(end__gt=now))


class Subscription(models.Model):
    """A workspace on a plan version from ``start`` until ``end`` (exclusive; null: until ended)."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="subscriptions")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="subscriptions")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, related_name="subscriptions"
    )
    currency = CurrencyField()
    timezone = TimeZoneField()
    anchor_date = models.DateField(help_text="Local date whole intervals are counted from.")
    start = models.DateTimeField()
    end = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ("workspace", "start")
        constraints = (
            models.UniqueConstraint(fields=("workspace", "start"), name="subscription_once"),
            models.UniqueConstraint(
                fields=("workspace",),
                condition=models.Q(end__isnull=True),
                name="subscription_one_running",
            ),
            models.CheckConstraint(
                condition=models.Q(end__isnull=True) | models.Q(end__gt=models.F("start")),
                name="subscription_not_empty",
            ),
        )

    def __str__(self) -> str:
        return f"{self.workspace} on {self.plan_version}"


class BillingPeriodQuerySet(ScopedQuerySet["BillingPeriod"]):
    agency_path = "agency"
    client_path = "client"

    def open(self) -> BillingPeriodQuerySet:
        return self.exclude(state=BillingPeriod.State.CLOSED)

    def due(self, now: dt.datetime) -> BillingPeriodQuerySet:
        """Periods whose end and grace have passed and that nobody has closed, oldest first."""
        return self.open().filter(due_at__lte=now).order_by("end", "workspace_id", "pk")


class BillingPeriod(models.Model):
    """``[start, end)`` of a workspace. ``full_start``/``full_end`` are the whole interval it is
    a part of, equal to it unless the subscription starts or ends inside.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSING = "closing", "Closing"
        CLOSED = "closed", "Closed"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="periods")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="periods")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="periods")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    currency = CurrencyField()
    timezone = TimeZoneField()
    start = models.DateTimeField()
    end = models.DateTimeField()
    full_start = models.DateTimeField()
    full_end = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    due_at = models.DateTimeField(help_text="End plus the agency's grace: closed from then on.")
    closed_at = models.DateTimeField(null=True, editable=False)
    close_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = BillingPeriodQuerySet.as_manager()

    class Meta:
        ordering = ("workspace", "start")
        constraints = (
            models.UniqueConstraint(fields=("workspace", "start"), name="period_once"),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="period_not_empty"
            ),
            models.CheckConstraint(
                condition=models.Q(state="closed", closed_at__isnull=False)
                | (~models.Q(state="closed") & models.Q(closed_at__isnull=True)),
                name="period_closed_with_time",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",), condition=~models.Q(state="closed"), name="period_due"
            ),
            models.Index(fields=("client", "end"), name="period_by_client_end"),
        )

    def __str__(self) -> str:
        return f"{self.workspace} {self.start:%Y-%m-%d}"
