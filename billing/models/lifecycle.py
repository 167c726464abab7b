"""What was changed about subscriptions, when and by whom, and what that did to their periods."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User, Workspace

from .invoices import Charge
from .plans import PlanVersion
from .subscriptions import BillingPeriod, Subscription


class SubscriptionChangeQuerySet(ScopedQuerySet["SubscriptionChange"]):
    agency_path = "agency"
    client_path = "client"


class SubscriptionChange(AppendOnlyModel):
    """One thing that was done to a subscription; it takes effect at ``effective_at``."""

    class Kind(models.TextChoices):
        ACTIVATED = "activated", "Activated"
        ENDED = "ended", "Ended"
        KEPT = "kept", "Goes on after all"
        DROPPED = "dropped", "Dropped before it began"
        PAUSED = "paused", "Paused"
        RESUMED = "resumed", "Resumed"
        PLAN_CHANGED = "plan_changed", "Plan changed"
        UPGRADED = "upgraded", "Moved to another version"
        TIMEZONE_CHANGED = "timezone_changed", "Time zone changed"
        TRIAL_MOVED = "trial_moved", "Trial given another end"
        TRIAL_CONVERTED = "trial_converted", "Trial ended early, paid from then on"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="subscription_changes"
    )
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    effective_at = models.DateTimeField()
    from_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    to_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    from_timezone = models.CharField(max_length=64, blank=True, default="")
    to_timezone = models.CharField(max_length=64, blank=True, default="")
    in_trial = models.BooleanField(
        default=False, help_text="Whether it was made in a trial, with nothing charged yet."
    )
    reason = models.CharField(max_length=500, blank=True, default="")
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = SubscriptionChangeQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.made_at:%Y-%m-%d}"


class PeriodMoveQuerySet(ScopedQuerySet["PeriodMove"]):
    agency_path = "change__agency"
    client_path = "change__client"


class PeriodMove(AppendOnlyModel):
    """A period that was made already and then got another end, or was withdrawn.

    ``fees`` says what became of its fees: kept as they were, asked anew for the days that are
    left, or credited for the days that are not. They may be asked for longer than the period lasts;
    then what ends elsewhere may be they alone, and the period be closed.
    """

    class Fees(models.TextChoices):
        KEPT = "kept", "Kept"
        ANEW = "anew", "Credited, and charged for the days that are left"
        REST = "rest", "Credited for the days that are not left"
        WITHDRAWN = "withdrawn", "Taken back"

    change = models.ForeignKey(SubscriptionChange, on_delete=models.PROTECT, related_name="moves")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="moves")
    fees = models.CharField(max_length=10, choices=Fees.choices)
    end_before = models.DateTimeField()
    end_after = models.DateTimeField(null=True, blank=True, help_text="Empty: it was withdrawn.")
    full_end_before = models.DateTimeField()
    full_end_after = models.DateTimeField(null=True, blank=True)
    fees_end_before = models.DateTimeField(
        null=True, blank=True, help_text="Where its fees are asked for longer than it lasts."
    )
    fees_end_after = models.DateTimeField(null=True, blank=True)
    fees_full_end_before = models.DateTimeField(null=True, blank=True)
    fees_full_end_after = models.DateTimeField(null=True, blank=True)

    objects = PeriodMoveQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("change", "period"), name="period_move_once"),
            models.CheckConstraint(
                condition=models.Q(
                    fees="withdrawn", end_after__isnull=True, full_end_after__isnull=True
                )
                | (
                    ~models.Q(fees="withdrawn")
                    & models.Q(end_after__isnull=False, full_end_after__isnull=False)
                ),
                name="period_move_withdrawn_without_end",
            ),
        )

    def __str__(self) -> str:
        after = f"to {self.end_after:%Y-%m-%d %H:%M}" if self.end_after else "withdrawn"
        return f"{self.end_before:%Y-%m-%d %H:%M} {after}"


class ChargeVoidQuerySet(ScopedQuerySet["ChargeVoid"]):
    agency_path = "charge__agency"
    client_path = "charge__client"


class ChargeVoid(AppendOnlyModel):
    """A charge that was taken back before it came onto an invoice, and by which move."""

    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="void")
    move = models.ForeignKey(PeriodMove, on_delete=models.PROTECT, related_name="voids")

    objects = ChargeVoidQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.charge}, taken back"
