"""Where agencies are paid to, and each try to pay a payout."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.db import models

from agencyportal.core.append_only import AppendOnlyModel
from agencyportal.core.fields import CurrencyField, MoneyField
from agencyportal.core.money import format_money
from agencyportal.core.tenancy import ScopedQuerySet, platform_row
from clients.models import Agency, User
from payouts.bank_details import BankDetails, masked

from .payouts import Payout
from .stripe_accounts import StripeAccount


class BankAccountQuerySet(ScopedQuerySet["BankAccount"]):
    agency_path = "agency"

    def usable(self, at: dt.datetime) -> BankAccountQuerySet:
        """Those whose waiting time is over and that nobody has stopped, the latest first."""
        return self.filter(usable_from__lte=at, stopped_at=None).order_by("-usable_from", "-pk")


class BankAccount(AppendOnlyModel):
    """An account of an agency's, never edited: another one takes over after its waiting time,
    unless it is stopped. The latest usable one is paid to."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="bank_accounts")
    holder = models.CharField(max_length=70, help_text="As the bank knows it.")
    country = models.CharField(max_length=2)
    iban = models.CharField("IBAN", max_length=34, blank=True)
    bic = models.CharField("BIC", max_length=11, blank=True)
    account_number = models.CharField(max_length=34, blank=True)
    routing_number = models.CharField(max_length=20, blank=True)
    added_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    added_at = models.DateTimeField()
    usable_from = models.DateTimeField(help_text="Nothing is paid to it before.")
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = BankAccountQuerySet.as_manager()

    class Meta:
        ordering = ("-added_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(iban="") ^ models.Q(account_number=""),
                name="bank_account_has_one_number",
            ),
        )

    def __str__(self) -> str:
        return self.hint

    @property
    def details(self) -> BankDetails:
        return BankDetails(
            country=self.country,
            iban=self.iban,
            bic=self.bic,
            account_number=self.account_number,
            routing_number=self.routing_number,
        )

    @property
    def hint(self) -> str:
        """As people may see it: DE** **** 3000."""
        return masked(self.details)


@platform_row("the operator's own file for its bank; the transfers in it are agencies'")
class BankFile(AppendOnlyModel):
    """What the operator gave its bank: approved payouts of a month in one currency."""

    month = models.DateField()
    currency = CurrencyField()
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"Bank file {self.pk}, {self.month:%B %Y}, {self.currency}"


class TransferQuerySet(ScopedQuerySet["Transfer"]):
    agency_path = "agency"

    def live(self) -> TransferQuerySet:
        """Those that pay, or have paid: at most one of a payout."""
        return self.filter(state__in=Transfer.LIVE)

    def to_send(self) -> TransferQuerySet:
        """Those that Stripe was not asked for, or has not answered about."""
        return self.filter(state=Transfer.State.PENDING, method=Transfer.Method.STRIPE)

    def to_take_back(self) -> TransferQuerySet:
        """Those that somebody wants back, and that Stripe has not said it of."""
        return self.filter(
            state=Transfer.State.PAID,
            method=Transfer.Method.STRIPE,
            return_asked_at__isnull=False,
        )


class Transfer(AppendOnlyModel):
    """One try to pay a payout. Written first; then somebody, or something, pays; then what came of
    it is recorded. One that failed stays, and the payout may get another."""

    class State(models.TextChoices):
        PENDING = "pending", "On its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"

    class Method(models.TextChoices):
        BANK_FILE = "bank_file", "Bank file"
        BY_HAND = "by_hand", "By hand"
        STRIPE = "stripe", "Stripe"

    LIVE: ClassVar = (State.PENDING, State.PAID)

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="transfers")
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="transfers")
    method = models.CharField(max_length=10, choices=Method.choices)
    amount = MoneyField()
    currency = CurrencyField()
    bank_account = models.ForeignKey(
        BankAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="transfers"
    )
    bank_file = models.ForeignKey(
        BankFile, on_delete=models.PROTECT, null=True, blank=True, related_name="transfers"
    )
    stripe_account = models.ForeignKey(
        StripeAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="transfers"
    )
    provider_id = models.CharField("Stripe's id", max_length=200, blank=True)
    returned = MoneyField(default=0, help_text="Taken back at Stripe.")
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    return_asked_at = models.DateTimeField(null=True, blank=True)
    return_asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    return_reason = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    reference = models.CharField(max_length=200, blank=True, help_text="As on the bank statement.")
    failure = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    requested_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    key = models.CharField(max_length=200, unique=True, help_text="What makes it this one.")

    objects = TransferQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at", "-pk")
        constraints = (
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="transfer_positive"),
            models.UniqueConstraint(
                fields=("payout",),
                condition=models.Q(state__in=("pending", "paid")),
                name="transfer_once_per_payout",
            ),
            models.UniqueConstraint(
                fields=("provider_id",),
                condition=~models.Q(provider_id=""),
                name="transfer_provider_id_once",
            ),
            models.CheckConstraint(
                condition=models.Q(returned__gte=0, returned__lte=models.F("amount")),
                name="transfer_returned_is_a_part",
            ),
            models.CheckConstraint(
                condition=models.Q(state="pending", settled_at__isnull=True)
                | (~models.Q(state="pending") & models.Q(settled_at__isnull=False)),
                name="transfer_settled_when_done",
            ),
        )

    def __str__(self) -> str:
        return f"{format_money(self.amount, self.currency)} of {self.payout}"
