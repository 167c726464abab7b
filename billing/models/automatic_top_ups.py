"""Top-ups that a client has bought automatically: its consent, how that stands, what it bought."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField, QuantityField
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, UsageUnit, User, Workspace

from .credits import TopUpPurchase
from .orders import TopUpOrder
from .plans import TopUpBand


class OfClientQuerySet(ScopedQuerySet):
    """Rows that name their agency and their client."""

    agency_path = "agency"
    client_path = "client"


class TopUpConsent(AppendOnlyModel):
    """What somebody of a client agreed to, in numbers and in the very words that were shown.

    It is never changed: other numbers are another consent. Which one is in force says
    `AutomaticTopUp`, and an event says when each ended.
    """

    class Pay(models.TextChoices):
        CARD = "card", "By the saved card"
        ACCOUNT = "account", "On account"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="top_up_consents")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="top_up_consents"
    )
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    threshold = QuantityField(help_text="One is bought when so many units or fewer are left.")
    max_count = models.PositiveSmallIntegerField(help_text="In a calendar month.")
    max_amount = MoneyField(help_text="In a calendar month, tax included.")
    currency = CurrencyField()
    pay = models.CharField(max_length=10, choices=Pay.choices)
    terms_version = models.CharField(max_length=20, help_text="Of the wording.")
    terms = models.TextField(help_text="As shown and agreed to.")
    given_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OfClientQuerySet.as_manager()

    class Meta:
        verbose_name = "top-up consent"
        ordering = ("-given_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(threshold__gte=0, max_count__gte=1, max_amount__gt=0),
                name="top_up_consent_has_limits",
            ),
        )

    def __str__(self) -> str:
        return f"{self.band} for {self.workspace}"


class AutomaticTopUp(models.Model):
    """Whether top-ups of one unit are bought automatically in one workspace, and how that stands.

    Off until somebody of the client consents. On with a ``reason`` it waits, until ``look_at`` at
    least; stopped, somebody of the client has to say that it goes on.
    """

    class State(models.TextChoices):
        OFF = "off", "Off"
        ON = "on", "On"
        STOPPED = "stopped", "Stopped"

    class Reason(models.TextChoices):
        DECLINED = "declined", "The payment was declined"
        UNCONFIRMED = "unconfirmed", "The payment was not confirmed"
        NO_CARD = "no_card", "No card is saved"
        BURST = "burst", "Many purchases in a short time"
        PACE = "pace", "Usage far above the usual"
        OFFER = "offer", "The package offers it differently now"
        TERMS = "terms", "The terms have changed"
        ON_ACCOUNT = "on_account", "On account is not allowed any more"
        NOT_GRANTED = "not_granted", "Paid, and not granted"
        REFUSED = "refused", "It cannot be bought"
        MAXIMUM = "maximum", "The monthly maximum is reached"
        CAP = "cap", "A limit on spending is reached"
        SUSPENDED = "suspended", "New usage is suspended"
        NO_STRIPE = "no_stripe", "Cards cannot be charged just now"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="automatic_top_ups")
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="automatic_top_ups"
    )
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OFF)
    consent = models.OneToOneField(
        TopUpConsent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="in_force",
        help_text="The one in force; none while it is off.",
    )
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True, help_text="In words for the client.")
    declines = models.PositiveSmallIntegerField(default=0, help_text="In a row.")
    number = models.PositiveIntegerField(
        default=0, help_text="How often it was set off: the arming of the next purchase."
    )
    since = models.DateTimeField(
        null=True, blank=True, help_text="When somebody last said that it goes on."
    )
    look_at = models.DateTimeField(help_text="Nothing is bought before.")
    looked_start = models.DateTimeField(null=True, blank=True)
    looked_used = QuantityField(
        null=True, blank=True, help_text="The usage that was looked at last; none: look again."
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OfClientQuerySet.as_manager()

    class Meta:
        verbose_name = "automatic top-up"
        ordering = ("workspace", "unit")
        constraints = (
            models.UniqueConstraint(fields=("workspace", "unit"), name="automatic_top_up_once"),
            models.CheckConstraint(
                condition=models.Q(state="off", consent__isnull=True)
                | models.Q(state__in=("on", "stopped"), consent__isnull=False),
                name="automatic_top_up_by_consent",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="stopped") | ~models.Q(reason=""),
                name="automatic_top_up_says_why",
            ),
        )

    def __str__(self) -> str:
        return f"{self.unit.plural} of {self.workspace}"


class AutomaticTopUpEvent(AppendOnlyModel):
    """What was decided about it, by whom: a consent given or ended, a stop, a resumption."""

    class Kind(models.TextChoices):
        CONSENTED = "consented", "Switched on"
        REPLACED = "replaced", "Replaced by another consent"
        SWITCHED_OFF = "switched_off", "Switched off"
        AGENCY_OFF = "agency_off", "Switched off by the agency"
        STOPPED = "stopped", "Stopped"
        RESUMED = "resumed", "Resumed"

    ENDINGS = (Kind.REPLACED, Kind.SWITCHED_OFF, Kind.AGENCY_OFF)

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    automatic = models.ForeignKey(AutomaticTopUp, on_delete=models.PROTECT, related_name="events")
    consent = models.ForeignKey(TopUpConsent, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.CharField(max_length=20, choices=AutomaticTopUp.Reason.choices, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    done_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OfClientQuerySet.as_manager()

    class Meta:
        ordering = ("-happened_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("consent",),
                condition=models.Q(kind="consented"),
                name="top_up_consent_begins_once",
            ),
            models.UniqueConstraint(
                fields=("consent",),
                condition=models.Q(kind__in=("replaced", "switched_off", "agency_off")),
                name="top_up_consent_ends_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.automatic}: {self.get_kind_display().lower()}"


class AutomaticTopUpMonth(models.Model):
    """What was bought in a calendar month of the client's time zone, and the most that may be.

    The maxima are those of the consent in force, but never below what was bought by then. The
    database refuses more.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    automatic = models.ForeignKey(AutomaticTopUp, on_delete=models.PROTECT, related_name="months")
    first_day = models.DateField()
    count = models.PositiveSmallIntegerField(default=0)
    amount = MoneyField(default=Decimal(0), help_text="Tax included.")
    max_count = models.PositiveSmallIntegerField()
    max_amount = MoneyField()

    objects = OfClientQuerySet.as_manager()

    class Meta:
        ordering = ("-first_day",)
        constraints = (
            models.UniqueConstraint(
                fields=("automatic", "first_day"), name="automatic_top_up_month_once"
            ),
            models.CheckConstraint(
                condition=models.Q(count__gte=0, count__lte=models.F("max_count"))
                & models.Q(amount__gte=0, amount__lte=models.F("max_amount")),
                name="automatic_top_up_month_within_maxima",
            ),
        )

    def __str__(self) -> str:
        return f"{self.automatic}, {self.first_day:%B %Y}"


class AutomaticPurchase(AppendOnlyModel):
    """One purchase that was set off: the intent, and what came of it. One is open at most.

    ``number`` is its arming: triggers that find the same state ask for the same number, and one of
    them gets it. ``is_counted``: it counts in its month; what was not bought is taken out again.
    """

    class State(models.TextChoices):
        OPEN = "open", "Under way"
        BOUGHT = "bought", "Bought"
        FAILED = "failed", "Not bought"
        KEPT = "kept", "Paid, on the client's balance"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="+")
    automatic = models.ForeignKey(
        AutomaticTopUp, on_delete=models.PROTECT, related_name="purchases"
    )
    consent = models.ForeignKey(TopUpConsent, on_delete=models.PROTECT, related_name="purchases")
    month = models.ForeignKey(
        AutomaticTopUpMonth, on_delete=models.PROTECT, related_name="purchases"
    )
    number = models.PositiveIntegerField()
    band = models.ForeignKey(TopUpBand, on_delete=models.PROTECT, related_name="+")
    left = QuantityField(help_text="Units that were left when it was set off.")
    gross = MoneyField(help_text="What it comes to, tax included.")
    currency = CurrencyField()
    order = models.OneToOneField(
        TopUpOrder, on_delete=models.PROTECT, null=True, blank=True, related_name="automatic"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    is_counted = models.BooleanField(default=True)
    purchase = models.OneToOneField(
        TopUpPurchase, on_delete=models.PROTECT, null=True, blank=True, related_name="automatic"
    )
    failure = models.CharField(max_length=500, blank=True, help_text="In words for the client.")
    failure_code = models.CharField(max_length=100, blank=True, help_text="The bank's word.")
    made_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = OfClientQuerySet.as_manager()

    class Meta:
        ordering = ("-made_at", "-pk")
        constraints = (
            models.UniqueConstraint(fields=("automatic", "number"), name="automatic_purchase_once"),
            models.UniqueConstraint(
                fields=("automatic",),
                condition=models.Q(state="open"),
                name="automatic_purchase_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(state="bought", purchase__isnull=False, is_counted=True)
                | models.Q(state="open", purchase__isnull=True, is_counted=True)
                | models.Q(state__in=("failed", "kept"), purchase__isnull=True),
                name="automatic_purchase_as_its_state",
            ),
            models.CheckConstraint(
                condition=models.Q(gross__gt=0), name="automatic_purchase_not_for_nothing"
            ),
        )

    def __str__(self) -> str:
        return f"{self.band} for {self.automatic}"
