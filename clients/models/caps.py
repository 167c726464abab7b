"""What counts against caps: kept where billing has set one, beside the windows (ENGINE 8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, MoneyField, NanosField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet

from .parties import Agency, Client
from .units import UsageUnit
from .workspaces import Workspace


class CapKind(models.TextChoices):
    """What a cap limits. The order is the one in which balances are locked."""

    UNITS = "units", "Units"
    COST = "cost", "Routed cost"
    SPEND = "spend", "Overage and top-ups"


class CapLevel(models.IntegerChoices):
    """Whose it is. The order is the one in which balances of one kind are locked."""

    WORKSPACE = 1, "Workspace"
    CLIENT = 2, "Client"
    AGENCY = 3, "Agency"


class CapBalanceQuerySet(ScopedQuerySet["CapBalance"]):
    agency_path = "agency"
    client_path = "client"

    def over(self, workspace: Workspace) -> CapBalanceQuerySet:
        """The balances that a workspace's usage may count in: its own, its client's, its
        agency's; of any month, unit and currency."""
        return self.filter(
            models.Q(client=None) | models.Q(client=workspace.client_id),
            models.Q(workspace=None) | models.Q(workspace=workspace.pk),
            agency=workspace.agency_id,
        )

    def over_any(self, workspaces: Iterable[Workspace]) -> CapBalanceQuerySet:
        """The balances over any of some workspaces."""
        found = list(workspaces)
        return self.filter(
            models.Q(client=None) | models.Q(client__in={w.client_id for w in found}),
            models.Q(workspace=None) | models.Q(workspace__in={w.pk for w in found}),
            agency__in={w.agency_id for w in found},
        )

    def in_lock_order(self) -> CapBalanceQuerySet:
        """Units, cost, spend; of each the workspace, the client, the agency."""
        return self.order_by("rank", "level", "pk")


class CapBalance(models.Model):
    """What a workspace, client or agency came to against its caps in the periods of a month.

    A period counts in the month it begins in (`clients.caps.month_of`). ``used`` moves with every
    event that is counted, in the same transaction; ``held`` is what open reservations hold. Made
    by billing where a cap is set, with what there was until then.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    level = models.PositiveSmallIntegerField(choices=CapLevel.choices)
    kind = models.CharField(max_length=5, choices=CapKind.choices)
    rank = models.PositiveSmallIntegerField(editable=False, help_text="Of the kind, to lock by.")
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    currency = CurrencyField(blank=True, default="", help_text="Of money; empty for units.")
    month = models.DateField(help_text="Its first day.")
    units_used = QuantityField(default=0)
    units_held = QuantityField(default=0)
    cost_used = NanosField(default=0)
    cost_held = NanosField(default=0)
    spend_used = MoneyField(default=0)
    spend_held = MoneyField(default=0)
    key = models.CharField(max_length=120, unique=True, help_text="Whose, what and when, once.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = CapBalanceQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(units_used__gte=0, units_held__gte=0, cost_held__gte=0),
                name="cap_balance_not_negative",
            ),
        )
        indexes = (models.Index(fields=("agency", "client", "month"), name="cap_balance_by_month"),)

    def __str__(self) -> str:
        what = self.unit.plural if self.unit else f"{self.get_kind_display()} in {self.currency}"
        whose = self.workspace or self.client or self.agency
        return f"{what} of {whose} in {self.month:%B %Y}"

    @property
    def used(self) -> Decimal:
        return self._amount("used")

    @property
    def held(self) -> Decimal:
        return self._amount("held")

    def _amount(self, what: str) -> Decimal:
        amount: Decimal = getattr(self, f"{self.kind}_{what}")
        return amount

    @staticmethod
    def key_of(
        kind: str,
        month: dt.date,
        *,
        agency_id: int,
        client_id: int | None,
        workspace_id: int | None,
        unit_id: int | None,
        currency: str,
    ) -> str:
        """What makes a balance that balance."""
        whose = f"{agency_id}:{client_id or ''}:{workspace_id or ''}"
        return f"{kind}:{whose}:{unit_id or currency}:{month:%Y-%m}"
