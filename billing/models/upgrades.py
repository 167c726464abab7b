"""Moving subscriptions of earlier versions of a plan to another version, many at a time."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, User

from .plans import PlanVersion
from .subscriptions import Subscription


class VersionUpgradeQuerySet(ScopedQuerySet["VersionUpgrade"]):
    agency_path = "agency"

    def unfinished(self) -> VersionUpgradeQuerySet:
        return self.filter(finished_at=None)


class VersionUpgrade(models.Model):
    """Somebody's decision to move subscriptions to a version; its items say which, and what came
    of each. ``key`` makes it this one."""

    class When(models.TextChoices):
        NOW = "now", "Today"
        PERIOD_END = "period_end", "With the next period of each"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="upgrades")
    when = models.CharField(max_length=10, choices=When.choices)
    reason = models.CharField(max_length=500, blank=True, default="")
    key = models.CharField(max_length=200, unique=True, editable=False)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = VersionUpgradeQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes = (
            models.Index(
                fields=("id",), condition=models.Q(finished_at=None), name="upgrade_unfinished"
            ),
        )

    def __str__(self) -> str:
        return f"Upgrade to {self.plan_version} on {self.made_at:%Y-%m-%d}"


class UpgradeItemQuerySet(ScopedQuerySet["UpgradeItem"]):
    agency_path = "upgrade__agency"

    def waiting(self) -> UpgradeItemQuerySet:
        return self.filter(state=UpgradeItem.State.WAITING)


class UpgradeItem(models.Model):
    """One subscription of an upgrade. ``words`` says why it was not moved; ``following`` is what
    continues it under the version."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        MOVED = "moved", "Moved"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    upgrade = models.ForeignKey(VersionUpgrade, on_delete=models.PROTECT, related_name="items")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    from_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    words = models.TextField(blank=True, default="")
    following = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = UpgradeItemQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("upgrade", "subscription"), name="upgrade_item_once"),
            models.CheckConstraint(
                condition=models.Q(state="moved", following__isnull=False)
                | (~models.Q(state="moved") & models.Q(following__isnull=True)),
                name="upgrade_item_moved_with_what_follows",
            ),
        )

    def __str__(self) -> str:
        return f"{self.subscription}: {self.get_state_display().lower()}"
