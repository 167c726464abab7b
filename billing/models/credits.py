"""Credit: what was granted, what was bought, and how a closed period burned it."""

from __future__ import annotations

from django.db import models
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, NanosField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, UsageUnit, User, Workspace

from .plans import TopUpBand
from .subscriptions import BillingPeriod


class TopUpPurchaseQuerySet(ScopedQuerySet["TopUpPurchase"]):
    agency_path = "agency"
    client_path = "workspace__client"


class TopUpPurchase(AppendOnlyModel):
    """A band bought on account: its price goes on the invoice of the period it was bought in."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="purchases")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    quantity = QuantityField()
    price = MoneyField()
    currency = CurrencyField()
    purchased_at = models.DateTimeField()
    starts_at = models.DateTimeField(
        null=True, blank=True, help_text="Usable from then on; empty: at once."
    )
    purchased_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, help_text="The buyer's idempotency key.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TopUpPurchaseQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("workspace", "key"), name="purchase_once"),)

    def __str__(self) -> str:
        return f"{self.band} on {self.purchased_at:%Y-%m-%d}"


class CreditGrantQuerySet(ScopedQuerySet["CreditGrant"]):
    agency_path = "agency"
    client_path = "workspace__client"

    def standing(self) -> CreditGrantQuerySet:
        """Without the allowances of periods that were withdrawn: nothing can be used of them."""
        return self.exclude(period__state=BillingPeriod.State.WITHDRAWN)

    def with_left(self) -> CreditGrantQuerySet:
        """Annotates ``left``, what the last closed period left of a grant (None: no closed period
        has seen it), and ``taken_back``, what was revoked of it since."""
        uses = GrantUse.objects.filter(grant=OuterRef("pk")).order_by()
        revocations = GrantRevocation.objects.filter(grant=OuterRef("pk")).order_by()
        last = uses.order_by("-period_usage__period__start")
        settled = uses.values("grant").annotate(total=Sum("revoked")).values("total")
        revoked = revocations.values("grant").annotate(total=Sum("quantity")).values("total")
        none = QuantityField.literal(0)
        return self.annotate(
            left=Subquery(last.values("remaining")[:1]),
            taken_back=Coalesce(Subquery(revoked), none) - Coalesce(Subquery(settled), none),
        )


class CreditGrant(AppendOnlyModel):
    """A quantity of a unit given to a workspace. Immutable; the waterfall burns it in order."""

    class Kind(models.TextChoices):
        ALLOWANCE = "allowance", "Allowance"
        ROLLOVER = "rollover", "Rollover"
        ADJUSTMENT = "adjustment", "Adjustment"
        PROMOTIONAL = "promotional", "Promotional top-up"
        TOP_UP = "top_up", "Top-up"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="grants")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    quantity = QuantityField()
    priority = models.PositiveSmallIntegerField(help_text="Lower burns first.")
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    period = models.ForeignKey(
        BillingPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    purchase = models.OneToOneField(
        TopUpPurchase, on_delete=models.PROTECT, null=True, blank=True, related_name="grant"
    )
    reason = models.CharField(max_length=500, blank=True)
    key = models.CharField(max_length=200, unique=True, help_text="What caused it, once.")
    created_at = models.DateTimeField(default=now, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = CreditGrantQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(quantity__gte=0), name="grant_not_negative"),
        )
        indexes = (
            models.Index(fields=("workspace", "unit", "effective_at"), name="grant_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {plain(self.quantity)}"


class GrantRevocationQuerySet(ScopedQuerySet["GrantRevocation"]):
    agency_path = "agency"
    client_path = "workspace__client"


class GrantRevocation(AppendOnlyModel):
    """Units of a grant that were taken back: never more than was unused at ``revoked_at``.

    They count in the first period that sees the grant and closes after it (`GrantUse.revoked`).
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="revocations")
    quantity = QuantityField()
    revoked_at = models.DateTimeField()
    reason = models.CharField(max_length=500)
    key = models.CharField(max_length=200, unique=True, help_text="What caused it, once.")
    revoked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = GrantRevocationQuerySet.as_manager()

    class Meta:
        ordering = ("revoked_at", "pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="revocation_positive"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} of {self.grant}"


class PeriodUsageQuerySet(ScopedQuerySet["PeriodUsage"]):
    agency_path = "period__agency"
    client_path = "period__client"


class PeriodUsage(AppendOnlyModel):
    """The frozen waterfall of one unit in one closed period.

    ``used = included + top_up + overage``; the first two are units consumed from grants.
    """

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="usage")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    policy = models.CharField(max_length=10)
    used = QuantityField()
    included = QuantityField()
    top_up = QuantityField()
    overage = QuantityField()
    expired_unused = QuantityField()
    rolled_over = QuantityField()
    overage_amount = MoneyField(help_text="What the overage was charged at, net.")
    currency = CurrencyField()
    platform_cost = NanosField(help_text="Routed cost paid by the platform, client's currency.")
    agency_cost = NanosField(help_text="Model cost paid by the agency, client's currency.")

    objects = PeriodUsageQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("period", "unit"), name="period_usage_once"),
        )

    def __str__(self) -> str:
        return f"{self.unit}: {plain(self.used)}"


class GrantUseQuerySet(ScopedQuerySet["GrantUse"]):
    agency_path = "period_usage__period__agency"
    client_path = "period_usage__period__client"


class GrantUse(AppendOnlyModel):
    """What became of one grant in one closed period:
    ``opening = consumed + expired + rolled_over + revoked + remaining``.
    """

    period_usage = models.ForeignKey(PeriodUsage, on_delete=models.PROTECT, related_name="grants")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="uses")
    opening = QuantityField()
    consumed = QuantityField()
    expired = QuantityField()
    rolled_over = QuantityField()
    revoked = QuantityField(default=0)
    remaining = QuantityField()

    objects = GrantUseQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("period_usage", "grant"), name="grant_use_once"),
        )

    def __str__(self) -> str:
        return f"{self.grant}: {plain(self.consumed)}"
