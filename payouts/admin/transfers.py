"""Where agencies are paid to, the operator's bank files, and each try to pay a payout."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path

from agencyportal.core.admin import ReadOnlyAdmin, ScopedInline, extend
from agencyportal.core.admin_columns import money, state, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm, change_url, link
from agencyportal.core.powers import Power
from billing import stripe_gateway as gateway
from billing.admin.dialogs import BillingDialog
from billing.stripe_gateway import GatewayError
from clients.models import Agency
from payouts.bank_details import BankDetails
from payouts.models import BankAccount, BankFile, StripeAccount, Transfer
from payouts.services.bank_accounts import HELD_FOR, add_bank_account, stop_bank_account
from payouts.services.lifecycle import mark_file_paid
from payouts.services.stripe_accounts import onboard, read_account, stripe_account_of
from payouts.services.stripe_transfers import ask_back
from payouts.services.transfers import bank_file_lines, total_of

from .payout_dialogs import PaidForm, first_instant

STATES = {"pending": "warning", "paid": "success", "failed": "danger"}


# --- Bank accounts -----------------------------------------------------------------------------


class AccountForm(DialogForm):
    holder = forms.CharField(max_length=70, help_text="As the bank knows it.")
    iban = forms.CharField(label="IBAN", max_length=50, required=False)
    bic = forms.CharField(label="BIC", max_length=20, required=False)
    account_number = forms.CharField(
        max_length=50, required=False, help_text="Where there is no IBAN."
    )
    routing_number = forms.CharField(max_length=20, required=False)
    country = forms.CharField(
        max_length=2, required=False, help_text="Of an account without IBAN: two letters, as in US."
    )


class AddBankAccount(BillingDialog):
    """Another account, from some days on."""

    slug = "bank-account"
    title = "Bank account"
    icon = "account_balance"
    submit = "Add the account"
    power = Power.LEAD
    form_class: ClassVar[type[DialogForm]] = AccountForm

    def explanation(self) -> str:
        return (
            f"Payouts go to it in {HELD_FOR.days} days; the owners are told at once, and each can "
            "stop it. Afterwards only its last digits are shown."
        )

    def facts(self) -> list[tuple[str, str]]:
        rows = BankAccount.objects.filter(agency=self.row, stopped_at=None)
        return [("Account now", row.hint) for row in rows.usable(self.now)[:1]]

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        names = ("iban", "bic", "account_number", "routing_number", "country")
        account = add_bank_account(
            agency=self.row,
            holder=said["holder"],
            details=BankDetails(**{name: said[name] for name in names}),
            added_by=self.user,
            now=self.now,
        )
        return f"{account.hint} is paid to from {account.usable_from:%-d %B %Y} on."


class StopBankAccount(BillingDialog):
    """Nobody knows of it, or it is closed."""

    slug = "stop"
    title = "Stop"
    icon = "block"
    submit = "Never pay to it"
    power = Power.LEAD
    danger = True

    def is_offered(self) -> bool:
        return self.row.stopped_at is None

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "It is stopped already."
        return ""

    def explanation(self) -> str:
        return "Payouts go to the account before it; without one they wait."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        stop_bank_account(account=self.row, stopped_by=self.user, now=self.now)
        return f"Nothing is paid to {self.row} any more."


@told("Account")
def hint(account: BankAccount) -> str:
    return account.hint


@admin.register(BankAccount)
class BankAccountAdmin(ReadOnlyAdmin):
    """Where agencies are paid to. Numbers are shown by their last digits alone."""

    list_display = (hint, "holder", "agency", "added_at", "added_by", "usable_from", "stopped_at")
    list_display_links = (hint,)
    list_filter = ("agency",)
    list_select_related = ("agency", "added_by")
    search_fields = ("holder", "agency__name")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (StopBankAccount,)
    fields = (
        ("agency", hint),
        ("holder", "country"),
        ("added_at", "added_by"),
        "usable_from",
        ("stopped_at", "stopped_by"),
    )
    readonly_fields = (hint,)


class SetUpStripe(BillingDialog):
    """The agency says on Stripe's pages where it is paid to."""

    slug = "stripe-account"
    title = "Stripe account"
    icon = "open_in_new"
    submit = "Go on at Stripe"
    power = Power.LEAD
    refusals: ClassVar[tuple[type[Exception], ...]] = (GatewayError,)

    def why_not(self) -> str:
        if self.request.method == "GET" and not gateway.is_on():
            return "Stripe is not switched on here; payouts go to a bank account."
        return ""

    def is_offered(self) -> bool:
        return gateway.is_on()

    def explanation(self) -> str:
        return (
            "Stripe asks on its own pages for what it has to know before it pays the agency. Come "
            "back here afterwards; how the account stands is seen on its page."
        )

    def facts(self) -> list[tuple[str, str]]:
        account = stripe_account_of(self.row)
        return [("Account", account.standing)] if account is not None else []

    def act(self, form: DialogForm) -> tuple[str, HttpResponse]:  # noqa: ARG002
        address = settings.PORTAL_BASE_URL + change_url(self.row)
        url = onboard(agency=self.row, address=address, by=self.user, now=self.now)
        return "Went on at Stripe to set the account up.", self._to(url)

    def _to(self, url: str) -> HttpResponse:
        if self.request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


class ReadAgain(BillingDialog):
    """Ask Stripe how it stands."""

    slug = "look-again"
    title = "Look again"
    icon = "refresh"
    submit = "Ask Stripe"
    power = Power.LEAD
    refusals: ClassVar[tuple[type[Exception], ...]] = (GatewayError,)

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        return f"{read_account(account=self.row, now=self.now).standing}."


@told("Standing")
def standing(account: StripeAccount) -> str:
    return account.standing


@told("Stripe still asks for")
def asked_for(account: StripeAccount) -> str:
    return ", ".join(str(name).replace("_", " ").replace(".", ", ") for name in account.due) or "–"


@admin.register(StripeAccount)
class StripeAccountAdmin(ReadOnlyAdmin):
    """Agencies' accounts at Stripe, as it last told of them."""

    list_display = ("account_id", "agency", standing, "read_at")
    list_filter = ("agency", "is_live")
    list_select_related = ("agency",)
    search_fields = ("account_id", "agency__name")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (ReadAgain,)
    fields = (("agency", "account_id"), (standing, "is_live"), asked_for, ("read_at", "created_by"))
    readonly_fields = (standing, asked_for)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("agency", "created_by")


extend(Agency, dialogs=(AddBankAccount, SetUpStripe))


# --- Transfers ---------------------------------------------------------------------------------


class TakeBackForm(DialogForm):
    reason = forms.CharField(max_length=500, help_text="The agency is told.")


class TakeBack(BillingDialog):
    """Stripe takes the whole amount back from the agency's account."""

    slug = "take-back"
    title = "Take back"
    icon = "undo"
    submit = "Take it back"
    power = Power.OPERATE
    danger = True
    form_class: ClassVar[type[DialogForm]] = TakeBackForm

    def is_offered(self) -> bool:
        return bool(
            self.row.method == Transfer.Method.STRIPE
            and self.row.state == Transfer.State.PAID
            and self.row.return_asked_at is None
        )

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "Only what was paid through Stripe can be taken back, once."
        return ""

    def explanation(self) -> str:
        return (
            "Stripe is asked within a minute. The payout has failed then, and its amount stays "
            "owed to the agency."
        )

    def act(self, form: DialogForm) -> str:
        reason = form.cleaned_data["reason"]
        ask_back(transfer=self.row, reason=reason, asked_by=self.user, now=self.now)
        return f"{self.row} is to be taken back: {reason}"


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    """Every try to pay a payout, and what came of it."""

    list_display = (
        "requested_at",
        "payout",
        "agency",
        "amount",
        "method",
        state("state", STATES),
        "reference",
    )
    list_filter = ("state", "method", "agency", "currency")
    list_select_related = ("payout", "agency")
    search_fields = ("payout__number", "reference", "agency__name")
    date_hierarchy = "requested_at"
    fields = (
        ("payout", "state"),
        ("amount", "currency"),
        ("method", "bank_account", "stripe_account"),
        ("requested_at", "requested_by"),
        ("settled_at", "reference"),
        ("provider_id", "returned"),
        "failure",
        ("return_asked_at", "return_asked_by", "return_reason"),
    )
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (TakeBack,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        related = (
            "payout",
            "agency",
            "bank_account",
            "stripe_account",
            "requested_by",
            "return_asked_by",
        )
        return super().get_queryset(request).select_related(*related)


class MarkFilePaid(BillingDialog):
    """The bank has carried it out."""

    slug = "paid"
    title = "Mark as paid"
    icon = "paid"
    submit = "It was paid"
    power = Power.OPERATE
    form_class: ClassVar[type[DialogForm]] = PaidForm

    def is_offered(self) -> bool:
        return bool(self.row.transfers.filter(state=Transfer.State.PENDING).exists())

    def why_not(self) -> str:
        if self.request.method == "GET" and not self.is_offered():
            return "Nothing of this file is on its way any more."
        return ""

    def explanation(self) -> str:
        return (
            "Every payout of it that is on its way is paid. What the bank refused is marked as "
            "failed before, on the payout's own page."
        )

    def field_of(self, error: Exception) -> str | None:
        field = super().field_of(error)
        return "paid_on" if field == "paid_at" else field

    def act(self, form: DialogForm) -> str:
        count = mark_file_paid(
            file=self.row,
            reference=form.cleaned_data["reference"],
            paid_at=first_instant(form.cleaned_data["paid_on"], "UTC"),
            by=self.user,
            now=self.now,
            key=self.key(form),
        )
        return f"{count} payouts are paid, {form.cleaned_data['reference']}."


class TransferInline(ScopedInline):
    model = Transfer
    fields = ("payout", "agency", "amount", "currency", "bank_account", "state", "reference")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request).order_by("pk")
        return rows.select_related("payout", "agency", "bank_account")


@told("Total")
def total(file: BankFile) -> str:
    return money(total_of(file), file.currency)


@admin.register(BankFile)
class BankFileAdmin(ReadOnlyAdmin):
    """What the operator uploads at its bank: made on the page of a payout run."""

    list_display = ("__str__", total, "created_at", "created_by")
    list_filter = ("currency",)
    list_select_related = ("created_by",)
    date_hierarchy = "created_at"
    inlines = (TransferInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (MarkFilePaid,)
    fields = (("month", "currency"), total, ("created_at", "created_by"))
    readonly_fields = (total,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("transfers")

    def more_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/csv/",
                wrap(self.reading(self.show_csv)),
                name=self._url_name("csv"),
            )
        ]

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        return [link("CSV for the bank", "download", self.url("csv", obj))]

    def show_csv(self, request: HttpRequest, file: BankFile) -> HttpResponse:  # noqa: ARG002
        """With whole account numbers: nobody but the operator gets it."""
        response = StreamingHttpResponse(
            bank_file_lines(file), content_type="text/csv; charset=utf-8"
        )
        name = f"payouts-{file.month:%Y-%m}-{file.currency}-{file.pk}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response  # type: ignore[return-value]
