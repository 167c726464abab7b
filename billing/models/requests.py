"""Top-ups that somebody asked for who may not buy."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, User, Workspace

from .credits import TopUpPurchase
from .plans import TopUpBand


class TopUpRequestQuerySet(ScopedQuerySet["TopUpRequest"]):
    agency_path = "agency"
    client_path = "workspace__client"

    def pending(self) -> TopUpRequestQuerySet:
        return self.filter(state=TopUpRequest.State.PENDING)


class TopUpRequest(models.Model):
    """A viewer asks, a client's admin or the agency approves (and so buys) or declines."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="top_up_requests"
    )
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    note = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    purchase = models.OneToOneField(
        TopUpPurchase, on_delete=models.PROTECT, null=True, blank=True, related_name="request"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TopUpRequestQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("workspace", "band"),
                condition=models.Q(state="pending"),
                name="request_pending_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", decided_at__isnull=True, purchase__isnull=True)
                | models.Q(state="approved", decided_at__isnull=False, purchase__isnull=False)
                | models.Q(state="declined", decided_at__isnull=False, purchase__isnull=True),
                name="request_decided_as_stated",
            ),
        )

    def __str__(self) -> str:
        return f"{self.band} for {self.workspace}"
