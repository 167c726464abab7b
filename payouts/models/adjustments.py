"""Amounts by hand: asked for by one person, decided by another."""

from __future__ import annotations

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import format_money
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

from .earnings import Earning


class AdjustmentRequestQuerySet(ScopedQuerySet["AdjustmentRequest"]):
    agency_path = "agency"

    def pending(self) -> AdjustmentRequestQuerySet:
        return self.filter(state=AdjustmentRequest.State.PENDING)


class AdjustmentRequest(AppendOnlyModel):
    """Somebody wants to give an agency something, or to take it. Approved by somebody else it is an
    earning; refused it stays here, with who and why. What is decided moves in ``state``,
    ``decided_by``, ``decided_at``, ``note`` and ``earning``.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a second person"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="adjustments")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    amount = MoneyField(help_text="Positive: the agency gains.")
    currency = CurrencyField()
    reason = models.CharField(max_length=250, help_text="As printed on the statement.")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    earning = models.OneToOneField(
        Earning, on_delete=models.PROTECT, null=True, blank=True, related_name="adjustment"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    objects = AdjustmentRequestQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=~models.Q(amount=0), name="adjustment_not_zero"),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True)
                | ~models.Q(decided_by=models.F("requested_by")),
                name="adjustment_decided_by_another",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", decided_by__isnull=True)
                | (~models.Q(state="pending") & models.Q(decided_by__isnull=False)),
                name="adjustment_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(state="approved", earning__isnull=False)
                | (~models.Q(state="approved") & models.Q(earning__isnull=True)),
                name="adjustment_earning_when_approved",
            ),
        )

    def __str__(self) -> str:
        return f"{format_money(self.amount, self.currency)} for {self.agency}"
