"""What of a payout is kept back for disputes, until when."""

from __future__ import annotations

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.money import format_money
from agencyportal.core.tenancy import ScopedQuerySet

from .earnings import Earning
from .payouts import Payout


class DisputeReserveQuerySet(ScopedQuerySet["DisputeReserve"]):
    agency_path = "payout__agency"


class DisputeReserve(AppendOnlyModel):
    """Held by one earning, which is in the payout, and given back by another, which is in whichever
    is made up after. ``released`` moves, once."""

    payout = models.OneToOneField(Payout, on_delete=models.PROTECT, related_name="dispute_reserve")
    base = MoneyField(help_text="Revenue that can still be disputed.")
    percent = QuantityField()
    amount = MoneyField()
    currency = CurrencyField()
    release_at = models.DateTimeField()
    held = models.OneToOneField(Earning, on_delete=models.PROTECT, related_name="reserve_held")
    released = models.OneToOneField(
        Earning, on_delete=models.PROTECT, null=True, blank=True, related_name="reserve_released"
    )

    objects = DisputeReserveQuerySet.as_manager()

    class Meta:
        ordering = ("-release_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="reserve_positive"),
        )

    def __str__(self) -> str:
        return f"{format_money(self.amount, self.currency)} of {self.payout}"
