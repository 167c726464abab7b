"""Costs found later: what an event whose price or rate was unknown cost after all."""

from __future__ import annotations

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, NanosField
from agencyportal.core.tenancy import ScopedQuerySet

from .people import User
from .usage import UsageEvent
from .workspaces import Workspace


class UsagePricingQuerySet(ScopedQuerySet["UsagePricing"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class UsagePricing(AppendOnlyModel):
    """The cost of one event that was recorded without, by what was in force when it happened.

    Written once per event, and final. The event stays as it is, its flag included.
    """

    class Standing(models.TextChoices):
        COUNTED = "counted", "Counted at the event's own time"
        LATE = "late", "For a closed period: settles in the open one"
        UNBILLED = "unbilled", "The event is in no period"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="pricings")
    event = models.OneToOneField(UsageEvent, on_delete=models.PROTECT, related_name="pricing")
    standing = models.CharField(max_length=10, choices=Standing.choices)
    cost = NanosField(help_text="In cost_currency.")
    cost_currency = CurrencyField()
    price_source = models.CharField(max_length=100, help_text="Where the price came from.")
    exchange_rate = NanosField(help_text="From cost_currency to the client's, frozen.")
    client_cost = NanosField(help_text="The cost in the client's currency.")
    recorded_at = models.DateTimeField()
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = UsagePricingQuerySet.as_manager()

    class Meta:
        ordering = ("-recorded_at", "-pk")

    def __str__(self) -> str:
        return f"{self.event}: {self.cost} {self.cost_currency}"
