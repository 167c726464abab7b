"""How clients are asked for what is due: schedules, their steps, consents and suspensions."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.tenancy import ScopedQuerySet
from billing.dunning import DEFAULT, NOTIFY, SUSPEND, Schedule
from clients.models import Agency, Client, User

from .invoice_checkouts import InvoiceCheckout
from .invoices import Invoice
from .mail import Mail


class ChargeConsentQuerySet(ScopedQuerySet["ChargeConsent"]):
    agency_path = "agency"
    client_path = "client"


class ChargeConsent(AppendOnlyModel):
    """A client's word on whether its saved card is charged on the due dates of its invoices.

    The latest holds. The client alone gives it; its agency, too, may end it.
    """

    class Side(models.TextChoices):
        CLIENT = "client", "The client"
        AGENCY = "agency", "The agency"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="charge_consents")
    is_given = models.BooleanField()
    side = models.CharField(max_length=10, choices=Side.choices)
    words = models.CharField(max_length=500, help_text="What was shown, or the reason.")
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    objects = ChargeConsentQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(is_given=False) | models.Q(side="client"),
                name="charge_consent_given_by_client",
            ),
        )

    def __str__(self) -> str:
        verb = "consents to charges" if self.is_given else "is not charged"
        return f"{self.client} {verb} on due dates"


class DunningScheduleQuerySet(ScopedQuerySet["DunningSchedule"]):
    agency_path = "agency"


class DunningSchedule(AppendOnlyModel):
    """How an agency's clients are asked for what is due, from ``starts_at`` on.

    Holds for invoices that are issued from then on; others keep what they were issued under. Days
    are counted from the due date.
    """

    class Policy(models.TextChoices):
        NOTIFY = NOTIFY, "Tell the agency"
        SUSPEND = SUSPEND, "Suspend new usage"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="dunning_schedules")
    number = models.PositiveIntegerField()
    remind_on = models.JSONField(default=list)
    charge_on = models.JSONField(default=list)
    final_on = models.SmallIntegerField(null=True, blank=True)
    ends_on = models.SmallIntegerField()
    policy = models.CharField(max_length=10, choices=Policy.choices)
    starts_at = models.DateTimeField()
    set_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    objects = DunningScheduleQuerySet.as_manager()

    class Meta:
        ordering = ("agency", "-number")
        constraints = (
            models.UniqueConstraint(fields=("agency", "number"), name="dunning_schedule_once"),
        )

    def __str__(self) -> str:
        return f"Dunning schedule {self.number} of {self.agency}"

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            remind_on=tuple(self.remind_on),
            charge_on=tuple(self.charge_on),
            final_on=self.final_on,
            ends_on=self.ends_on,
            policy=self.policy,
        )


class DunningQuerySet(ScopedQuerySet["Dunning"]):
    agency_path = "agency"
    client_path = "client"


class Dunning(models.Model):
    """How one invoice is dunned: the schedule that it was issued under, and what comes when.

    ``next_at``: when it is looked at next; nothing: every step is over. Paused, nothing happens.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="dunnings")
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="dunning")
    version = models.ForeignKey(
        DunningSchedule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The agency's schedule of then; empty: the one that everybody begins with.",
    )
    next_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = DunningQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "dunning"
        indexes = (
            models.Index(
                fields=("next_at",),
                condition=models.Q(next_at__isnull=False, paused_at__isnull=True),
                name="dunning_due",
            ),
        )

    def __str__(self) -> str:
        return f"Dunning of {self.invoice}"

    @property
    def schedule(self) -> Schedule:
        return DEFAULT if self.version is None else self.version.schedule


class DunningEntryQuerySet(ScopedQuerySet["DunningEntry"]):
    agency_path = "invoice__agency"
    client_path = "invoice__client"


class DunningEntry(AppendOnlyModel):
    """Something that was done about what is due of an invoice; each day of its schedule once."""

    class Kind(models.TextChoices):
        REMINDER = "reminder", "Reminder"
        FINAL = "final", "Last notice"
        CHARGE = "charge", "Charge of the saved card"
        PASSED_OVER = "passed_over", "Passed over"
        NOTIFIED = "notified", "End: the agency was told"
        SUSPENDED = "suspended", "New usage suspended"
        LIFTED = "lifted", "Suspension lifted"
        PAUSED = "paused", "Paused"
        RESUMED = "resumed", "Goes on"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="dunning_entries")
    day = models.SmallIntegerField(
        null=True, blank=True, help_text="Of the schedule; empty: it is no step of it."
    )
    kind = models.CharField(max_length=12, choices=Kind.choices)
    done_at = models.DateTimeField()
    said = models.CharField(max_length=500, blank=True, help_text="Why, or why not.")
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    mail = models.ForeignKey(
        Mail, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    checkout = models.ForeignKey(
        InvoiceCheckout, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = DunningEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "dunning entries"
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("invoice", "day"),
                condition=models.Q(day__isnull=False),
                name="dunning_step_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.invoice}"


class SuspensionQuerySet(ScopedQuerySet["Suspension"]):
    agency_path = "agency"
    client_path = "client"

    def open(self) -> SuspensionQuerySet:
        return self.filter(lifted_at=None)


class Suspension(models.Model):
    """A client's new usage is not admitted, since an invoice is not paid. What is reported all the
    same is recorded."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="suspensions")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="suspensions")
    began_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    objects = SuspensionQuerySet.as_manager()

    class Meta:
        ordering = ("-began_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("invoice",),
                condition=models.Q(lifted_at__isnull=True),
                name="suspension_once_open",
            ),
        )
        indexes = (
            models.Index(
                fields=("client",),
                condition=models.Q(lifted_at__isnull=True),
                name="suspension_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.client} is suspended for {self.invoice}"
