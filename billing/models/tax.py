"""Tax rates by agency and country of the buyer, dated."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency


class TaxCategory(models.TextChoices):
    """Category codes of EN 16931 (UNCL 5305) that the portal uses."""

    STANDARD = "S", "Standard rate"
    ZERO = "Z", "Zero rated"
    EXEMPT = "E", "Exempt"
    REVERSE_CHARGE = "AE", "Reverse charge"
    OUTSIDE = "O", "Not subject to tax"


class TaxRateQuerySet(ScopedQuerySet["TaxRate"]):
    agency_path = "agency"


class TaxRate(models.Model):
    """The tax on what an agency's clients in ``country`` buy, from a date until the next row's."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="tax_rates")
    country = models.CharField(max_length=2, help_text="Of the client. ISO 3166-1, as in US.")
    category = models.CharField(max_length=2, choices=TaxCategory.choices)
    percent = QuantityField(help_text="19 means 19 %.")
    reason = models.CharField(
        max_length=200, blank=True, help_text="Why no tax is charged, as printed."
    )
    effective_from = models.DateField(help_text="First issue date it applies to.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TaxRateQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("agency", "country", "effective_from"), name="tax_rate_once"
            ),
            models.CheckConstraint(
                condition=models.Q(category="S", percent__gt=0)
                | (~models.Q(category="S") & models.Q(percent=0)),
                name="tax_rate_only_when_standard",
            ),
        )

    def __str__(self) -> str:
        return f"{self.country} {plain(self.percent)} % from {self.effective_from}"
