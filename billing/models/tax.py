"""Tax rates by agency and country of the buyer, and exemptions of clients: both dated."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from billing.vatex import VATEX
from clients.models import Agency, Client, User


class TaxCategory(models.TextChoices):
    """Category codes of EN 16931 (UNCL 5305) that the portal uses."""

    STANDARD = "S", "Standard rate"
    ZERO = "Z", "Zero rated"
    EXEMPT = "E", "Exempt"
    REVERSE_CHARGE = "AE", "Reverse charge"
    OUTSIDE = "O", "Not subject to tax"


class WithReasonCode(models.Model):
    """Says by the code list VATEX, where that has it, why no tax is charged."""

    reason_code = models.CharField(
        max_length=30,
        blank=True,
        default="",
        help_text="Of the code list VATEX, as in VATEX-EU-132; for e-invoices.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Raises ValidationError for what is not on the list."""
        super().clean()
        if self.reason_code and self.reason_code not in VATEX:
            words = f"{self.reason_code} is not on the code list VATEX, as VATEX-EU-132 is."
            raise ValidationError({"reason_code": f"{words} Leave it empty to name no code."})


class TaxRateQuerySet(ScopedQuerySet["TaxRate"]):
    agency_path = "agency"


class TaxRate(WithReasonCode, AppendOnlyModel):
    """The tax on what an agency's clients in ``country`` buy, from a date until the next row's.

    Never edited: what was invoiced by it says so. Another rate is another row.
    """

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
            models.CheckConstraint(
                condition=models.Q(reason_code="") | ~models.Q(category__in=("S", "Z")),
                name="tax_rate_code_only_without_tax",
                violation_error_message="A standard or zero rate names no reason, so no code.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.country} {plain(self.percent)} % from {self.effective_from}"


class TaxExemptionQuerySet(ScopedQuerySet["TaxExemption"]):
    agency_path = "client__agency"
    client_path = "client"


class TaxExemption(WithReasonCode, AppendOnlyModel):
    """Whether a client pays no tax, by a certificate, from a date until the next row's.

    Never edited: an exemption that ends early is followed by a row that says so.
    """

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="tax_exemptions")
    is_exempt = models.BooleanField(
        default=True, help_text="Not ticked: from then on the client is taxed as others are."
    )
    certificate = models.CharField(
        max_length=100, blank=True, help_text="Its number, and who gave it."
    )
    reason = models.CharField(
        max_length=200, blank=True, help_text="Why no tax is charged, as printed."
    )
    effective_from = models.DateField(help_text="First issue date it applies to.")
    until = models.DateField(
        null=True, blank=True, help_text="Last issue date; empty: until another row."
    )
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TaxExemptionQuerySet.as_manager()

    class Meta:
        ordering = ("client", "-effective_from")
        constraints = (
            models.UniqueConstraint(fields=("client", "effective_from"), name="tax_exemption_once"),
            models.CheckConstraint(
                condition=models.Q(is_exempt=False, reason_code="")
                | (models.Q(is_exempt=True) & ~models.Q(certificate="") & ~models.Q(reason="")),
                name="tax_exemption_with_certificate",
                violation_error_message="An exemption has a certificate and a reason; "
                "a row that ends one has no code.",
            ),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True)
                | models.Q(until__gte=models.F("effective_from")),
                name="tax_exemption_until_after_from",
                violation_error_message="The last day is not before the first.",
            ),
        )

    def __str__(self) -> str:
        what = "exempt" if self.is_exempt else "taxed"
        return f"{self.client}: {what} from {self.effective_from}"
