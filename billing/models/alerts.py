"""Alerts: what to watch, and what was crossed."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, UsageUnit, User, Workspace

from .mail import Mail
from .subscriptions import BillingPeriod


class AlertKind(models.TextChoices):
    """What a rule watches; `billing.thresholds.Kind` says what its levels are."""

    PERCENT = "percent", "Percent of the allowance"
    UNITS = "units", "Units used"
    MONEY = "money", "Money spent"
    FORECAST = "forecast", "Runs out early"
    SPIKE = "spike", "Unusual usage"
    OVERAGE = "overage", "Repeated overage"
    MARGIN = "margin", "Margin below its floor"


class AlertRuleQuerySet(ScopedQuerySet["AlertRule"]):
    agency_path = "agency"
    client_path = "client"


class AlertRule(models.Model):
    """Levels at which somebody is told of one kind of thing.

    Without a client, workspace or unit it holds for all of the agency's; the most specific rule
    of its kind for a workspace and unit takes the place of the wider ones.
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
    kind = models.CharField(
        max_length=10,
        choices=AlertKind.choices,
        default=AlertKind.PERCENT,
        help_text="Margin is told to the agency alone.",
    )
    levels = models.JSONField(
        default=list, help_text="Decimals as text, ascending. None: nothing is told."
    )
    tells_client = models.BooleanField(default=True)
    tells_agency = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    is_clients = models.BooleanField(
        "the client's own",
        default=False,
        editable=False,
        help_text="Set by the client, for what it is told itself.",
    )
    revision = models.PositiveIntegerField(
        default=0, editable=False, help_text="Grows when it is changed: its levels count anew."
    )
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AlertRuleQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("client", "kind"),
                condition=models.Q(is_clients=True),
                name="alert_rule_own_once",
            ),
        )

    def __str__(self) -> str:
        return " · ".join(said_level(self.kind, level) for level in self.levels)


def said_level(kind: str, level: object) -> str:
    """A level in a list of the admin: "80 %", "3 days"."""
    words = {
        AlertKind.PERCENT: "{} %",
        AlertKind.FORECAST: "{} days early",
        AlertKind.SPIKE: "{} % of usual",
        AlertKind.OVERAGE: "{} in a row",
        AlertKind.MARGIN: "{} points below",
    }
    return words.get(AlertKind(kind), "{}").format(level)


class AlertQuerySet(ScopedQuerySet["Alert"]):
    agency_path = "agency"
    client_path = "workspace__client"

    def told_to_clients(self) -> AlertQuerySet:
        """What clients see: what a rule tells the agency alone is not theirs to see."""
        return self.filter(tells_client=True).exclude(kind=AlertKind.MARGIN)

    def told_to_agencies(self) -> AlertQuerySet:
        return self.filter(tells_agency=True)


class Alert(AppendOnlyModel):
    """What one rule noticed of a unit, or of a whole workspace: it lists every level crossed.

    ``measured`` is what the levels were compared with; where they are percents, of ``against``.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="alerts")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="alerts")
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="alerts")
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=10, choices=AlertKind.choices, default=AlertKind.PERCENT)
    used = QuantityField(
        null=True, blank=True, help_text="Units used in the period when it was noticed."
    )
    entitled = QuantityField(null=True, blank=True, help_text="Units the period's credits came to.")
    measured = QuantityField(help_text="What the levels were compared with.")
    against = QuantityField(null=True, blank=True, help_text="What that is seen against.")
    details = models.JSONField(default=dict, blank=True, help_text="What else there is to tell.")
    arming = models.PositiveIntegerField(
        help_text="Grows with each grant and change of the rule: levels count anew."
    )
    tells_client = models.BooleanField(default=True)
    tells_agency = models.BooleanField(default=True)
    mail = models.ForeignKey(
        Mail, on_delete=models.PROTECT, null=True, blank=True, related_name="alerts"
    )
    noticed_at = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-noticed_at", "-pk")

    def __str__(self) -> str:
        what = self.unit.plural if self.unit is not None else "everything"
        is_share = self.kind == AlertKind.PERCENT
        if is_share and self.used is not None and self.entitled is not None:
            return f"{plain(self.used)} of {plain(self.entitled)} {what}"
        return f"{self.get_kind_display()}: {what}"


class AlertCrossingQuerySet(ScopedQuerySet["AlertCrossing"]):
    agency_path = "alert__agency"
    client_path = "alert__workspace__client"


class AlertCrossing(AppendOnlyModel):
    """One level that an alert lists. Once per rule, period, unit, level and arming."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="crossings")
    rule = models.ForeignKey(AlertRule, on_delete=models.PROTECT, related_name="+")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(
        UsageUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    level = QuantityField()
    arming = models.PositiveIntegerField()

    objects = AlertCrossingQuerySet.as_manager()

    class Meta:
        ordering = ("level",)
        constraints = (
            models.UniqueConstraint(
                fields=("rule", "period", "unit", "level", "arming"), name="crossing_once"
            ),
            # No unit is like no other to a unique constraint, and so has one of its own.
            models.UniqueConstraint(
                fields=("rule", "period", "level", "arming"),
                condition=models.Q(unit=None),
                name="crossing_once_of_all",
            ),
        )

    def __str__(self) -> str:
        return said_level(self.alert.kind, plain(self.level))


class AlertsReadQuerySet(ScopedQuerySet["AlertsRead"]):
    agency_path = "agency"
    client_path = "client"


class AlertsRead(models.Model):
    """Up to where a person has read the alerts of an agency, or of one client.

    One row for each; the latest alert that was on the page when they said so.
    """

    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    up_to = models.BigIntegerField(help_text="The id of the last alert that was read.")
    read_at = models.DateTimeField()

    objects = AlertsReadQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "alerts read"
        constraints = (
            models.UniqueConstraint(
                fields=("user", "agency"),
                condition=models.Q(client=None),
                name="alerts_read_once_by_agency",
            ),
            models.UniqueConstraint(
                fields=("user", "client"),
                condition=models.Q(client__isnull=False),
                name="alerts_read_once_by_client",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} up to {self.up_to}"
