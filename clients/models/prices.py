"""What model calls cost: overrides of the price list that ships with the software, and rates."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, NanosField
from agencyportal.core.tenancy import ScopedQuerySet, platform_row

from .parties import Agency
from .workspaces import CostPayer


class ModelPriceQuerySet(ScopedQuerySet["ModelPrice"]):
    agency_path = "agency"


class ModelPrice(models.Model):
    """A dated price per million tokens that takes the place of the shipped list's.

    Without an agency it holds for everybody. A price for the platform's bill is the operator's to
    set, one for an agency's own bill is the agency's: ``cost_payer`` says whose it is, so that an
    agency cannot cheapen what the platform pays for it.
    """

    agency = models.ForeignKey(
        Agency, on_delete=models.PROTECT, null=True, blank=True, related_name="model_prices"
    )
    cost_payer = models.CharField(max_length=10, choices=CostPayer.choices)
    provider = models.CharField(max_length=100, default="", blank=True, help_text="Empty: any.")
    model = models.CharField(max_length=200)
    currency = CurrencyField(default="USD")
    input_price = NanosField(help_text="Per million input tokens that were not cached.")
    cached_input_price = NanosField(null=True, blank=True, help_text="Empty: as input.")
    output_price = NanosField(help_text="Per million output tokens, reasoning included.")
    effective_from = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ModelPriceQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("agency", "cost_payer", "provider", "model", "effective_from"),
                condition=models.Q(agency__isnull=False),
                name="model_price_once_per_agency",
            ),
            # SQL holds two NULLs distinct, so prices for everybody need a constraint of their own.
            models.UniqueConstraint(
                fields=("cost_payer", "provider", "model", "effective_from"),
                condition=models.Q(agency__isnull=True),
                name="model_price_once_for_all",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from:%Y-%m-%d}"


@platform_row("rates are the operator's and the same for everybody")
class ExchangeRate(models.Model):
    """One unit of ``base`` is worth ``rate`` of ``quote`` from a date until the next row's."""

    base = CurrencyField()
    quote = CurrencyField()
    rate = NanosField()
    effective_from = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("base", "quote", "effective_from"), name="rate_once"),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="rate_positive"),
        )

    def __str__(self) -> str:
        return f"1 {self.base} = {self.rate} {self.quote} from {self.effective_from:%Y-%m-%d}"
