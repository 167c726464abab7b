"""Caps: how far usage, its cost and what it is charged may go in a period (ENGINE 8)."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, CapKind, CapLevel, Client, UsageUnit, User, Workspace


class CapQuerySet(ScopedQuerySet["Cap"]):
    agency_path = "agency"
    client_path = "client"

    def over(self, workspace: Workspace) -> CapQuerySet:
        """Caps of a workspace, its client and its agency, whenever they begin."""
        return self.filter(
            models.Q(client=None) | models.Q(client=workspace.client_id),
            models.Q(workspace=None) | models.Q(workspace=workspace.pk),
            agency=workspace.agency_id,
        )


class Cap(AppendOnlyModel):
    """A limit from a date on, until the next row of the same scope and setter takes its place.

    ``quantity`` for units, ``amount`` for money; with neither, there is no limit from then on.
    What the client set and what the agency set hold side by side: the smaller one counts.
    """

    class SetBy(models.TextChoices):
        AGENCY = "agency", "The agency"
        CLIENT = "client", "The client"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="caps")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="caps"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="caps"
    )
    kind = models.CharField(max_length=5, choices=CapKind.choices)
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    quantity = QuantityField(null=True, blank=True)
    amount = MoneyField(null=True, blank=True)
    currency = CurrencyField(blank=True, default="", help_text="Of the amount; empty for units.")
    effective_from = models.DateTimeField()
    set_by = models.CharField(max_length=6, choices=SetBy.choices, default=SetBy.AGENCY)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = CapQuerySet.as_manager()

    class Meta:
        ordering = ("-effective_from", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(kind="units", unit__isnull=False, amount__isnull=True)
                | models.Q(kind__in=("cost", "spend"), unit__isnull=True, quantity__isnull=True),
                name="cap_limits_what_its_kind_says",
            ),
            models.CheckConstraint(
                condition=(models.Q(quantity__isnull=True) | models.Q(quantity__gte=0))
                & (models.Q(amount__isnull=True) | models.Q(amount__gte=0)),
                name="cap_not_negative",
            ),
        )
        indexes = (models.Index(fields=("agency", "client"), name="cap_by_scope"),)

    def __str__(self) -> str:
        whose = self.workspace or self.client or self.agency
        what = self.unit.plural if self.unit else self.get_kind_display().lower()
        return f"{whose}: {what}"

    @property
    def level(self) -> CapLevel:
        if self.workspace_id is not None:
            return CapLevel.WORKSPACE
        return CapLevel.AGENCY if self.client_id is None else CapLevel.CLIENT
