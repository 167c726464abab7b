"""Late usage and corrections of closed periods: what they came to, and what became of each."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, NanosField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import (
    Agency,
    Client,
    UsageCorrection,
    UsageEvent,
    UsagePricing,
    UsageUnit,
    Workspace,
)

from .credits import CreditGrant, GrantUse
from .invoices import Charge
from .subscriptions import BillingPeriod


class LateSettlementQuerySet(ScopedQuerySet["LateSettlement"]):
    agency_path = "agency"
    client_path = "client"

    def uncharged(self) -> LateSettlementQuerySet:
        """Settlements whose amount is on no charge yet."""
        return self.filter(charge=None).exclude(overage_amount=-F("minimum_amount"))


class LateSettlement(AppendOnlyModel):
    """What changed, all at once, of one unit of one closed period, beside its frozen row.

    Every figure is a difference: ``quantity = from_period + from_grants + overage``, and
    ``overage_amount + minimum_amount`` is what the client owes for it (or is owed, below 0).
    A unit outside the package changes its costs alone.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="late_settlements"
    )
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, related_name="late_settlements"
    )
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(help_text="1 is the first of its period and unit.")
    settled_in = models.ForeignKey(
        BillingPeriod,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="settled_late",
        help_text="The first period that was open then; with none, the client has left.",
    )
    settled_at = models.DateTimeField()
    quantity = QuantityField(help_text="Added to what the period used; below 0: taken away.")
    from_period = QuantityField(help_text="Of it, from what the period left unused.")
    from_grants = QuantityField(help_text="Of it, from credit that goes on.")
    overage = QuantityField(help_text="The rest, rated as the period's overage.")
    overage_amount = MoneyField(help_text="What it adds to the price of the period's overage.")
    minimum_amount = MoneyField(help_text="What it adds to the minimum of the period, if any.")
    currency = CurrencyField()
    platform_cost = NanosField(help_text="Routed cost paid by the platform, client's currency.")
    agency_cost = NanosField(help_text="Model cost paid by the agency, client's currency.")
    buckets = models.JSONField(
        default=dict, help_text="By quarter hour of the closed period, what its usage changed by."
    )
    details = models.JSONField(default=dict, help_text="How the price came about.")
    charge = models.ForeignKey(
        Charge,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="late_settlements",
        help_text="Written when the open period closes.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = LateSettlementQuerySet.as_manager()

    class Meta:
        ordering = ("-settled_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("period", "unit", "number"), name="late_settlement_once"
            ),
            models.CheckConstraint(
                condition=Q(quantity=F("from_period") + F("from_grants") + F("overage")),
                name="late_settlement_adds_up",
            ),
        )

    def __str__(self) -> str:
        return f"Late {self.unit.plural} of {self.period}"

    @property
    def amount(self) -> Decimal:
        return self.overage_amount + self.minimum_amount


class LateGrantUseQuerySet(ScopedQuerySet["LateGrantUse"]):
    agency_path = "settlement__agency"
    client_path = "settlement__client"


class LateGrantUse(AppendOnlyModel):
    """What a late settlement took of one grant; below 0: units that it freed."""

    class Source(models.TextChoices):
        PERIOD = "period", "What the closed period left"
        CREDIT = "credit", "Credit that goes on"

    settlement = models.ForeignKey(LateSettlement, on_delete=models.PROTECT, related_name="uses")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="late_uses")
    source = models.CharField(max_length=10, choices=Source.choices)
    quantity = QuantityField()
    returned_as = models.OneToOneField(
        CreditGrant,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="returned_from",
        help_text="The adjustment with which freed units came back; none: they are gone.",
    )
    after = models.ForeignKey(
        GrantUse,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Of credit: the last close that saw the grant; the next one opens with less.",
    )

    objects = LateGrantUseQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("settlement", "grant", "source"), name="late_grant_use_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.grant}: {self.quantity}"


class LateEntryQuerySet(ScopedQuerySet["LateEntry"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class LateEntry(AppendOnlyModel):
    """What became of a late event, or of a correction or a cost found later for a closed period.
    Written once."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    event = models.ForeignKey(UsageEvent, on_delete=models.PROTECT, related_name="late_entries")
    correction = models.OneToOneField(
        UsageCorrection,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="late_entry",
    )
    pricing = models.OneToOneField(
        UsagePricing,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="late_entry",
    )
    settlement = models.ForeignKey(
        LateSettlement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
        help_text="None: no period of the workspace holds the event's time.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = LateEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "late entries"
        constraints = (
            models.UniqueConstraint(
                fields=("event",),
                condition=Q(correction=None, pricing=None),
                name="late_event_once",
            ),
            models.CheckConstraint(
                condition=Q(correction=None) | Q(pricing=None), name="late_entry_of_one"
            ),
        )

    def __str__(self) -> str:
        return str(self.correction or self.pricing or self.event)
