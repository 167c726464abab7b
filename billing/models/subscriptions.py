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

    def running_or_planned(self, now: dt.datetime) -> SubscriptionQuerySet:
        return self.filter(models.Q(end=None) | models.Q(end__gt=now))


class Subscription(models.Model):
    """A workspace on a plan version from ``start`` until ``end`` (exclusive; null: until ended).

    A change of plan and a resumption are subscriptions of their own that continue the one before.
    One whose ``end`` is its ``start`` never came to be.
    """

    class EndReason(models.TextChoices):
        ENDED = "ended", "Ended"
        PAUSED = "paused", "Paused"
        CHANGED = "changed", "Goes on under another plan"

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
    trial_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="It begins with a trial up to this boundary; empty: without one.",
    )
    once_due = models.BooleanField(
        default=True,
        editable=False,
        help_text="Whether fees that are asked once are due with its first charged period.",
    )
    end = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(
        max_length=10,
        choices=EndReason.choices,
        blank=True,
        default="",
        help_text="Why it ends where it does; empty: it was sold so, or has no end.",
    )
    continues = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="continued_by"
    )
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ("workspace", "start")
        constraints = (
            models.UniqueConstraint(
                fields=("workspace", "start"),
                condition=models.Q(end__isnull=True) | models.Q(end__gt=models.F("start")),
                name="subscription_once",
            ),
            models.UniqueConstraint(
                fields=("workspace",),
                condition=models.Q(end__isnull=True),
                name="subscription_one_running",
            ),
            models.CheckConstraint(
                condition=models.Q(end__isnull=True) | models.Q(end__gte=models.F("start")),
                name="subscription_not_backwards",
            ),
            models.CheckConstraint(
                condition=models.Q(trial_until__isnull=True)
                | models.Q(trial_until__gt=models.F("start")),
                name="subscription_trial_not_empty",
            ),
        )

    def __str__(self) -> str:
        return f"{self.workspace} on {self.plan_version}"

    @property
    def goes_on(self) -> bool:
        """Whether another one takes over where it ends, and what rolls over crosses to it."""
        return self.end_reason == self.EndReason.CHANGED

    @property
    def charged_from(self) -> dt.datetime:
        """Where it begins to be paid for, if it does not end before."""
        return self.trial_until or self.start

    def is_in_trial(self, now: dt.datetime) -> bool:
        return self.trial_until is not None and self.start <= now < self.trial_until


class BillingPeriodQuerySet(ScopedQuerySet["BillingPeriod"]):
    agency_path = "agency"
    client_path = "client"

    def open(self) -> BillingPeriodQuerySet:
        return self.filter(state__in=(BillingPeriod.State.OPEN, BillingPeriod.State.CLOSING))

    def due(self, now: dt.datetime) -> BillingPeriodQuerySet:
        """Periods whose end and grace have passed and that nobody has closed, oldest first."""
        return self.open().filter(due_at__lte=now).order_by("end", "workspace_id", "pk")


_PeriodManager = models.Manager.from_queryset(BillingPeriodQuerySet)


class BillingPeriodManager(_PeriodManager["BillingPeriod"]):
    """Without the periods that were withdrawn: those count for nothing."""

    def get_queryset(self) -> BillingPeriodQuerySet:
        every = BillingPeriodQuerySet(self.model, using=self._db)
        return every.exclude(state=BillingPeriod.State.WITHDRAWN)


class BillingPeriod(models.Model):
    """``[start, end)`` of a workspace. ``full_start``/``full_end`` are the whole interval it is
    a part of, equal to it unless the subscription starts or ends inside. A trial is a period that
    is its own whole interval.

    Where the plan's fees have a longer interval than its periods, the period that begins one asks
    for them in advance: for ``[start, fees_end)`` of ``[fees_full_start, fees_full_end)``.

    ``objects`` leaves out what was withdrawn; ``with_withdrawn`` has everything.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSING = "closing", "Closing"
        CLOSED = "closed", "Closed"
        WITHDRAWN = "withdrawn", "Withdrawn"

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
    asks_fees = models.BooleanField(
        default=True, help_text="Whether fees begin with it; no: an earlier one asked for its time."
    )
    fees_end = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until when its fees are asked for; empty: until it ends.",
    )
    fees_full_start = models.DateTimeField(null=True, blank=True)
    fees_full_end = models.DateTimeField(null=True, blank=True)
    is_trial = models.BooleanField(default=False)
    asks_once = models.BooleanField(
        default=False, editable=False, help_text="Whether fees asked once are due with it."
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    due_at = models.DateTimeField(help_text="End plus the agency's grace: closed from then on.")
    closed_at = models.DateTimeField(null=True, editable=False)
    close_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = BillingPeriodManager()
    with_withdrawn = BillingPeriodQuerySet.as_manager()

    class Meta:
        ordering = ("workspace", "start")
        constraints = (
            models.UniqueConstraint(
                fields=("workspace", "start"),
                condition=~models.Q(state="withdrawn"),
                name="period_once",
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="period_not_empty"
            ),
            models.CheckConstraint(
                condition=models.Q(state="closed", closed_at__isnull=False)
                | (~models.Q(state="closed") & models.Q(closed_at__isnull=True)),
                name="period_closed_with_time",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    fees_end__isnull=True, fees_full_start__isnull=True, fees_full_end__isnull=True
                )
                | models.Q(
                    asks_fees=True,
                    fees_end__gt=models.F("start"),
                    fees_full_start__isnull=False,
                    fees_full_end__isnull=False,
                ),
                name="period_fees_end_with_bounds",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_at",),
                condition=models.Q(state__in=("open", "closing")),
                name="period_due",
            ),
            models.Index(fields=("client", "end"), name="period_by_client_end"),
        )

    def __str__(self) -> str:
        return f"{self.workspace} {self.start:%Y-%m-%d}"

    @property
    def is_last(self) -> bool:
        """Whether nothing follows it that what rolls over could go to. Reads the subscription."""
        return self.end == self.subscription.end and not self.subscription.goes_on
