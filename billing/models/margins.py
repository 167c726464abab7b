"""Margin rules: what the agency adds to routed cost, and the floor it is warned below."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import NanosField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, UsageUnit, Workspace


class MarginRuleQuerySet(ScopedQuerySet["MarginRule"]):
    agency_path = "agency"


class MarginRule(models.Model):
    """Percent and surcharge per unit on routed cost; the most specific scope wins (billing.margin).

    Takes effect for periods that start on or after ``effective_from``. Never edited once used:
    the next rule of the same scope takes its place from its own date.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="margin_rules")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    model = models.CharField(max_length=200, default="", blank=True, help_text="Empty: any.")
    name = models.CharField(max_length=200, help_text="As named on the lines it prices.")
    percent = QuantityField(default=0, help_text="25 means cost x 1.25.")
    surcharge = NanosField(default=0, help_text="Per unit, in the client's currency.")
    floor_percent = QuantityField(
        null=True, blank=True, help_text="Warn when margin falls below this share of the price."
    )
    effective_from = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)
    scope_key = models.CharField(
        max_length=300, editable=False, help_text="The scope in one word, so that it is unique."
    )

    objects = MarginRuleQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("agency", "scope_key", "effective_from"), name="margin_rule_once"
            ),
            models.CheckConstraint(
                condition=models.Q(percent__gte=0, surcharge__gte=0),
                name="margin_rule_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.name
