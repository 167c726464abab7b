"""A month's earnings of one agency in one currency, frozen, and its statement."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.rendered import RenderedDocument
from agencyportal.core.tenancy import ScopedQuerySet
from billing.models import DocumentSeries
from clients.models import Agency

from .earnings import Earning


class PayoutQuerySet(ScopedQuerySet["Payout"]):
    agency_path = "agency"

    def to_carry_over(self) -> PayoutQuerySet:
        """Cancelled ones whose amount opens the next payout that is made up."""
        return self.filter(state=Payout.State.CANCELLED, carried_over=None)


class Payout(AppendOnlyModel):
    """``opening + revenue - routed_cost - platform_fee + refunds + disputes + reserve +
    adjustments`` is ``amount + closing``.

    Costs and fees are stored as positive amounts, what follows them as it moves the balance:
    refunds are negative. ``amount`` is paid out; when the balance is
    negative or below the agency's minimum it is 0 and everything is carried forward.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        APPROVED = "approved", "Approved"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        CARRIED = "carried", "Carried forward"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="payouts")
    currency = CurrencyField()
    month = models.DateField(help_text="First day of the month, in the agency's time zone.")
    month_start = models.DateTimeField()
    month_end = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices)
    series = models.ForeignKey(DocumentSeries, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveIntegerField()
    number = models.CharField(max_length=40, unique=True)
    opening = MoneyField(help_text="Carried forward from the payout before.")
    revenue = MoneyField()
    routed_cost = MoneyField()
    platform_fee = MoneyField()
    refunds = MoneyField(default=0, help_text="Revenue that went back; negative.")
    disputes = MoneyField(default=0, help_text="Held back, given back after; mostly negative.")
    reserve = MoneyField(default=0, help_text="Kept back for disputes, given back after.")
    adjustments = MoneyField()
    amount = MoneyField(help_text="To be paid to the agency.")
    closing = MoneyField(help_text="Carried forward to the next payout.")
    built_at = models.DateTimeField()
    snapshot = models.JSONField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = PayoutQuerySet.as_manager()

    class Meta:
        ordering = ("-month", "agency", "currency")
        constraints = (
            models.UniqueConstraint(
                fields=("agency", "currency", "month"), name="payout_once_per_month"
            ),
            models.UniqueConstraint(fields=("series", "sequence"), name="payout_number_once"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="payout_not_negative"),
        )

    def __str__(self) -> str:
        return self.number


class PayoutItemQuerySet(ScopedQuerySet["PayoutItem"]):
    agency_path = "payout__agency"


class PayoutItem(AppendOnlyModel):
    """Puts an earning into its one payout."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="items")
    earning = models.OneToOneField(Earning, on_delete=models.PROTECT, related_name="item")

    objects = PayoutItemQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.earning} in {self.payout}"


class StatementDocumentQuerySet(ScopedQuerySet["StatementDocument"]):
    agency_path = "payout__agency"


class StatementDocument(RenderedDocument):
    """The PDF statement of a payout: what was sent, by its hash."""

    payout = models.OneToOneField(Payout, on_delete=models.PROTECT, related_name="document")

    objects = StatementDocumentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Statement {self.payout}"
