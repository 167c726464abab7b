"""Alerts: what to watch, and what was crossed."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, UsageUnit, User, Workspace

from .mail import Mail
from .subscriptions import BillingPeriod


class AlertRuleQuerySet(ScopedQuerySet["AlertRule"]):
    agency_path = "agency"
    client_path = "client"


class AlertRule(models.Model):
    """Percents of what a period entitles to (credits of every kind) at which somebody is told.

    Without a client, workspace or unit it holds for all of the agency's; the most specific rule
    for a workspace and unit takes the place of the wider ones.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="alert_rules")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="alert_rules"
    )
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, null=True, blank=True, related_name="alert_rules"
    )
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    percents = models.JSONField(
        default=list, help_text="Whole percents, ascending: 80 is told when 80 % are reached."
    )
    tells_client = models.BooleanField(default=True)
    tells_agency = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AlertRuleQuerySet.as_manager()

    def __str__(self) -> str:
        return " · ".join(f"{percent} %" for percent in self.percents)


class AlertQuerySet(ScopedQuerySet["Alert"]):
    agency_path = "agency"
    client_path = "workspace__client"


class Alert(AppendOnlyModel):
    """One message about one unit of a workspace: it lists every percent that was crossed."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="alerts")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="alerts")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="alerts")
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    used = QuantityField(help_text="Units used in the period when it was noticed.")
    entitled = QuantityField(help_text="Units the period's credits came to.")
    arming = models.PositiveIntegerField(help_text="Grows with each grant: thresholds count anew.")
    mail = models.ForeignKey(
        Mail, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts"
    )
    noticed_at = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-noticed_at", "-pk")

    def __str__(self) -> str:
        return f"{self.used} of {self.entitled} {self.unit.plural}"


class AlertCrossingQuerySet(ScopedQuerySet["AlertCrossing"]):
    agency_path = "alert__agency"
    client_path = "alert__workspace__client"


class AlertCrossing(AppendOnlyModel):
    """One percent that an alert lists. Once per rule, period, unit, percent and arming."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="crossings")
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    percent = models.PositiveSmallIntegerField()
    arming = models.PositiveIntegerField()

    objects = AlertCrossingQuerySet.as_manager()

    class Meta:
        ordering = ("percent",)
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "period", "unit", "percent", "arming"), name="crossing_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.percent} %"
