"""Corrections: what an event counts after all. The event itself is never changed."""

from __future__ import annotations

import uuid

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import QuantityField
from agencyportal.core.tenancy import ScopedQuerySet

from .people import User
from .usage import UsageEvent
from .workspaces import Workspace, WorkspaceKey


class UsageCorrectionQuerySet(ScopedQuerySet["UsageCorrection"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class UsageCorrection(AppendOnlyModel):
    """A quantity in the place of an event's, with a reason; 0 voids it. The latest one holds."""

    class Standing(models.TextChoices):
        COUNTED = "counted", "Counted at the event's own time"
        LATE = "late", "For a closed period: settles in the open one"
        UNBILLED = "unbilled", "The event is in no period"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="corrections")
    event = models.ForeignKey(UsageEvent, on_delete=models.PROTECT, related_name="corrections")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=200, help_text="Makes it this one: asked for again, it is.")
    quantity = QuantityField(help_text="What the event counts from now on, in its unit.")
    previous = QuantityField(help_text="What it counted until then.")
    reason = models.CharField(max_length=500)
    standing = models.CharField(max_length=10, choices=Standing.choices)
    recorded_at = models.DateTimeField()
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_with = models.ForeignKey(
        WorkspaceKey, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = UsageCorrectionQuerySet.as_manager()

    class Meta:
        ordering = ("-recorded_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("workspace", "key"), name="correction_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0, previous__gte=0),
                name="correction_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event}: {self.previous} to {self.quantity}"
