"""What happened, stored once, and its sums. Rows are written by services/recording.py alone."""

from __future__ import annotations

from django.db import models

from agencyportal.core.fields import CurrencyField, NanosField, QuantityField, TimeZoneField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet

from .units import Meter, UsageUnit
from .workspaces import CostPayer, Workspace


class UsageEventQuerySet(ScopedQuerySet["UsageEvent"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"

    def counted(self) -> UsageEventQuerySet:
        return self.filter(standing=UsageEvent.Standing.COUNTED)


class UsageEvent(models.Model):
    """One thing that happened. Quantity, meter version, cost and payer are frozen when recorded."""

    class Standing(models.TextChoices):
        COUNTED = "counted", "Counted in its period"
        LATE = "late", "Arrived after its period was closed"
        UNBILLED = "unbilled", "Outside the package or the subscription"

    class Status(models.TextChoices):
        OK = "ok", "OK"
        ERROR = "error", "Error"

    class CostFlag(models.TextChoices):
        NONE = "", "Priced"
        NO_MODEL = "no_model", "No model named"
        NO_PRICE = "no_price", "The model has no price"
        NO_TOKENS = "no_tokens", "Token counts are unknown"
        NO_RATE = "no_rate", "No exchange rate"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="events")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=255, default="", blank=True)
    external_id = models.CharField(max_length=255)
    body_hash = models.CharField(
        max_length=32, help_text="BLAKE2b-128 of the submitted body before defaults, hex."
    )
    standing = models.CharField(max_length=10, choices=Standing.choices)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    quantity = QuantityField(
        help_text="Units this event stands for; under a `unique` meter, if its subject is counted."
    )
    subject = models.CharField(max_length=255, default="", blank=True)
    label = models.CharField(max_length=255, default="", blank=True)
    run_id = models.CharField(max_length=255, default="", blank=True)
    provider = models.CharField(max_length=100, default="", blank=True)
    model = models.CharField(max_length=200, default="", blank=True)
    input_tokens = models.BigIntegerField(null=True, help_text="Cached ones included.")
    cached_input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True, help_text="Reasoning included.")
    reasoning_tokens = models.BigIntegerField(null=True)
    tool_calls = models.BigIntegerField(null=True)
    attempts = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OK)
    properties = models.JSONField(default=dict)
    cost = NanosField(null=True, help_text="In cost_currency; null when unknown, never zero then.")
    cost_currency = CurrencyField(default="USD")
    cost_payer = models.CharField(max_length=10, choices=CostPayer.choices)
    cost_flag = models.CharField(
        max_length=10, choices=CostFlag.choices, default=CostFlag.NONE, blank=True
    )
    price_source = models.CharField(
        max_length=100, default="", blank=True, help_text="Where the price came from, with version."
    )
    exchange_rate = NanosField(null=True, help_text="From cost_currency to the client's, frozen.")
    client_cost = NanosField(null=True, help_text="The cost in the client's currency.")
    seal = models.CharField(
        max_length=32, help_text="A hash over the row as it was recorded; clients/seal.py."
    )

    objects = UsageEventQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("workspace", "source", "external_id"), name="event_once"
            ),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0), name="event_quantity_not_negative"
            ),
        )
        indexes = (
            models.Index(fields=("workspace", "unit", "occurred_at"), name="event_by_time"),
            models.Index(
                fields=("workspace", "occurred_at"),
                condition=~models.Q(standing="counted"),
                name="event_not_counted",
            ),
            models.Index(
                fields=("workspace", "id"),
                condition=models.Q(cost_flag__in=("no_price", "no_rate")),
                name="event_waiting_for_price",
            ),
        )

    def __str__(self) -> str:
        return self.external_id


class UsageWindowQuerySet(ScopedQuerySet["UsageWindow"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class UsageWindow(models.Model):
    """The balance row: what one unit of a workspace came to in one billing period ``[start, end)``.

    Written down by billing when it opens a period, for every unit of the package; usage outside
    any window is unbilled. ``used`` is the sum of the quarter-hours inside.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="windows")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="windows")
    start = models.DateTimeField()
    end = models.DateTimeField()
    timezone = TimeZoneField(
        blank=True, default="", help_text="Zone its local days are counted in; empty: the client's."
    )
    used = QuantityField(default=0)
    events = models.BigIntegerField(default=0)
    reserved = QuantityField(default=0, help_text="Held by open reservations.")
    available = QuantityField(
        null=True,
        help_text="Most that used and reserved may come to; null: no limit, or not worked out yet.",
    )
    available_since = models.DateTimeField(
        null=True,
        help_text="`available` counts on no usage from before this instant changing.",
    )
    available_until = models.DateTimeField(
        null=True,
        help_text="When to work `available` out again: a grant begins or ends. Null: now.",
    )
    watched = QuantityField(
        null=True, help_text="What `used` was when alerts were last looked at; null: look again."
    )
    attention_at = QuantityField(
        null=True,
        help_text="When `used` reaches this, billing looks (automatic top-ups). Null: never.",
    )
    attended = QuantityField(
        null=True, help_text="What `used` was when billing last looked; null: look again."
    )

    covered = QuantityField(
        null=True,
        help_text="While `used` comes to no more, none of it is charged; null: not worked out.",
    )
    covered_since = models.DateTimeField(
        null=True,
        help_text="`covered` counts on no usage from before this instant changing.",
    )
    covered_until = models.DateTimeField(
        null=True,
        help_text="`covered` is about usage before this instant. Null: work it out again.",
    )

    objects = UsageWindowQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workspace", "unit", "start"), name="window_once"),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="window_not_empty"
            ),
            models.CheckConstraint(
                condition=models.Q(used__gte=0, reserved__gte=0), name="window_used_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.unit} from {self.start:%Y-%m-%d}"


class UniqueSubjectQuerySet(ScopedQuerySet["UniqueSubject"]):
    agency_path = "window__workspace__agency"
    client_path = "window__workspace__client"


class UniqueSubject(models.Model):
    """Which event stands for a subject in a window of a `unique` meter: the earliest one."""

    window = models.ForeignKey(UsageWindow, on_delete=models.PROTECT, related_name="subjects")
    subject = models.CharField(max_length=255)
    event = models.ForeignKey(UsageEvent, on_delete=models.PROTECT, related_name="+")
    occurred_at = models.DateTimeField()

    objects = UniqueSubjectQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("window", "subject"), name="subject_once_per_window"),
        )

    def __str__(self) -> str:
        return self.subject


class UsageQuarterQuerySet(ScopedQuerySet["UsageQuarter"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class UsageQuarter(models.Model):
    """Counted usage of a unit in one quarter of an hour (UTC): what the waterfall burns."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    start = models.DateTimeField()
    quantity = QuantityField(default=0)
    events = models.BigIntegerField(default=0)
    platform_cost = NanosField(default=0, help_text="Paid by the platform, client's currency.")
    agency_cost = NanosField(default=0, help_text="Paid by the agency, client's currency.")

    objects = UsageQuarterQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workspace", "unit", "start"), name="quarter_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0), name="quarter_quantity_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M}: {plain(self.quantity)}"


class UsageDayQuerySet(ScopedQuerySet["UsageDay"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"


class UsageDay(models.Model):
    """Counted usage by local day of the client, label and model: what charts and words rest on."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    label = models.CharField(max_length=255, default="", blank=True)
    model = models.CharField(max_length=200, default="", blank=True)
    quantity = QuantityField(default=0)
    events = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    retries = models.BigIntegerField(default=0, help_text="Attempts beyond the first.")
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    tool_calls = models.BigIntegerField(default=0)
    unpriced = models.BigIntegerField(default=0, help_text="Events whose cost is unknown.")
    platform_cost = NanosField(default=0)
    agency_cost = NanosField(default=0)

    objects = UsageDayQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("workspace", "unit", "day", "label", "model"), name="day_once"
            ),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0), name="day_quantity_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day}: {plain(self.quantity)}"
