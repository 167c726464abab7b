"""What an agency agreed on with the platform about its earnings."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import MoneyField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, User


class PayBy(models.TextChoices):
    """How an agency is paid."""

    BANK = "bank", "By bank transfer"
    STRIPE = "stripe", "Through Stripe"


class PayoutTermsQuerySet(ScopedQuerySet["PayoutTerms"]):
    agency_path = "agency"


class PayoutTerms(models.Model):
    """When and from what amount an agency is paid."""

    agency = models.OneToOneField(Agency, on_delete=models.PROTECT, related_name="payout_terms")
    payout_day = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(28)],
        help_text="Day of the following month on which a month's payout is made up.",
    )
    minimum_amount = MoneyField(
        default=0, help_text="A smaller payout is carried forward, in the payout's currency."
    )
    reserve_percent = QuantityField(
        default=0, help_text="Of a month's revenue, kept back for disputes; 5 means 5 %."
    )
    reserve_days = models.PositiveSmallIntegerField(
        default=90,
        validators=[MaxValueValidator(365)],
        help_text="How long after the month it is kept back.",
    )
    pay_by = models.CharField(
        max_length=10,
        choices=PayBy.choices,
        default=PayBy.BANK,
        help_text="Through Stripe, an approved payout is paid by itself.",
    )
    account_hint = models.CharField(
        max_length=100, blank=True, help_text="Where it is paid to, as printed: DE** **** 1234."
    )

    objects = PayoutTermsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "payout terms"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(minimum_amount__gte=0), name="payout_minimum_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(reserve_percent__gte=0, reserve_percent__lte=100),
                name="payout_reserve_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"Payout terms of {self.agency}"


class PayoutTermsChangeQuerySet(ScopedQuerySet["PayoutTermsChange"]):
    agency_path = "terms__agency"


class PayoutTermsChange(AppendOnlyModel):
    """Somebody agreed on other terms: all of them as they were from ``changed_at`` on."""

    terms = models.ForeignKey(PayoutTerms, on_delete=models.PROTECT, related_name="changes")
    payout_day = models.PositiveSmallIntegerField()
    minimum_amount = MoneyField()
    reserve_percent = QuantityField(default=0)
    reserve_days = models.PositiveSmallIntegerField(default=90)
    pay_by = models.CharField(max_length=10, choices=PayBy.choices, default=PayBy.BANK)
    account_hint = models.CharField(max_length=100, blank=True)
    changed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    changed_at = models.DateTimeField()

    objects = PayoutTermsChangeQuerySet.as_manager()

    class Meta:
        ordering = ("-changed_at", "-pk")

    def __str__(self) -> str:
        return f"{self.terms}, {self.changed_at:%Y-%m-%d}"


class PlatformFeeRuleQuerySet(ScopedQuerySet["PlatformFeeRule"]):
    agency_path = "agency"


class PlatformFeeRule(models.Model):
    """The platform's share of paid revenue, from a date until the next rule of the same kind.

    A rule for the line's own kind wins over one for any kind.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="fee_rules")
    line_kind = models.CharField(
        max_length=20, default="", blank=True, help_text="An invoice line's kind; empty: any."
    )
    percent = QuantityField(help_text="5 means 5 % of the net amount paid.")
    effective_from = models.DateTimeField(help_text="Applies to payments received from here on.")
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = PlatformFeeRuleQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("agency", "line_kind", "effective_from"), name="fee_rule_once"
            ),
            models.CheckConstraint(
                condition=models.Q(percent__gte=0, percent__lte=100),
                name="fee_rule_percent_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{plain(self.percent)} % of {self.line_kind or 'everything'}"
