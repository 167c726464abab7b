"""What happens to a payout once it is made up, and where the balance of a cancelled one goes."""

from __future__ import annotations

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import User

from .payouts import Payout


class PayoutTransitionQuerySet(ScopedQuerySet["PayoutTransition"]):
    agency_path = "payout__agency"


class PayoutTransition(AppendOnlyModel):
    """One change of a payout's state: who, when, and why. Numbered under the payout's lock, so the
    last one says how it stands; before the first it is as it was made up."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="transitions")
    number = models.PositiveIntegerField()
    from_state = models.CharField("from", max_length=10, choices=Payout.State.choices)
    to_state = models.CharField("to", max_length=10, choices=Payout.State.choices)
    by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: nobody, it came of itself.",
    )
    happened_at = models.DateTimeField(help_text="When it was paid, say; never in the future.")
    recorded_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    reference = models.CharField(max_length=200, blank=True, help_text="As on the bank statement.")
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    objects = PayoutTransitionQuerySet.as_manager()

    class Meta:
        ordering = ("payout", "number")
        constraints = (
            models.UniqueConstraint(
                fields=("payout", "number"), name="payout_transition_number_once"
            ),
            models.CheckConstraint(
                condition=~models.Q(from_state=models.F("to_state")),
                name="payout_transition_moves",
            ),
        )

    def __str__(self) -> str:
        return f"{self.payout}: {self.get_to_state_display().lower()}"


class CarriedOverQuerySet(ScopedQuerySet["CarriedOver"]):
    agency_path = "cancelled__agency"


class CarriedOver(AppendOnlyModel):
    """The amount of a cancelled payout opens the next one that is made up: this one, and no other.

    The cancelled payout keeps its earnings, its figures and its number.
    """

    cancelled = models.OneToOneField(Payout, on_delete=models.PROTECT, related_name="carried_over")
    into = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="taken_over")

    objects = CarriedOverQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "carried over"

    def __str__(self) -> str:
        return f"{self.cancelled} in {self.into}"
