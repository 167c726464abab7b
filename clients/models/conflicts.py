"""Reports that came back under a known id with something else in them."""

from __future__ import annotations

from django.db import models

from agencyportal.core.tenancy import ScopedQuerySet

from .people import User
from .usage import UsageEvent
from .workspaces import Workspace


class EventConflictQuerySet(ScopedQuerySet["EventConflict"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"

    def open(self) -> EventConflictQuerySet:
        """Those that nobody has looked at yet."""
        return self.filter(settled_at=None)


class EventConflict(models.Model):
    """Another body under the id of an event. The first stands; this one counts nothing.

    The same other body again is the same conflict. What it says never changes; whether somebody
    has settled it does.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    event = models.ForeignKey(UsageEvent, on_delete=models.PROTECT, related_name="conflicts")
    body_hash = models.CharField(max_length=32)
    body = models.JSONField(help_text="What came, decimals as text.")
    received_at = models.DateTimeField(help_text="When it came first.")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    remark = models.CharField(max_length=500, blank=True, help_text="What was found.")

    objects = EventConflictQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("event", "body_hash"), name="conflict_once_per_body"),
        )
        indexes = (
            models.Index(
                fields=("workspace",),
                condition=models.Q(settled_at=None),
                name="conflict_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event} came again, different"
