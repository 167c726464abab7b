"""Webhooks: the addresses that are told of things, their secrets, and what became of messages."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar, Final, cast

from django import forms
from django.contrib import admin
from django.core import signing
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agencyportal.core.admin import ReadOnlyAdmin, ScopedForm, ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import display, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm, change_url
from agencyportal.core.powers import Power
from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.refusals import RefusedError
from billing.services.webhooks import (
    BOTH_VALID_FOR,
    check_address,
    replay,
    rotate_secret,
    save_endpoint,
    send_test,
)
from billing.signatures import SECRET_BYTES, new_secret
from billing.webhook_types import webhook_types

SALT: Final = "billing.admin.webhooks.secret"
FORM_LIVES_SECONDS: Final = 3600


class EndpointForm(ScopedForm):
    """Which events: a box for each."""

    types = forms.MultipleChoiceField(
        label="Events", widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "types" in self.fields:
            events = cast(forms.MultipleChoiceField, self.fields["types"])
            events.choices = [
                (name, f"{name}: {found.words}") for name, found in webhook_types().items()
            ]

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        try:
            check_address(url)
        except RefusedError as error:
            raise forms.ValidationError(str(error)) from None
        return url


class SecretForm(DialogForm):
    """``sealed`` carries the new secret, signed: sending the form twice makes one."""

    sealed = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = new_secret(secrets.token_bytes(SECRET_BYTES))
        self.fields["sealed"].initial = signing.dumps(text, salt=SALT)

    def clean_sealed(self) -> str:
        try:
            text: str = signing.loads(
                self.cleaned_data["sealed"], salt=SALT, max_age=FORM_LIVES_SECONDS
            )
        except signing.BadSignature:
            raise forms.ValidationError("This form is too old. Open it again.") from None
        return text


class NewSecret(Dialog):
    """A signing secret is made and shown, this one time."""

    slug = "new-secret"
    title = "Make a signing secret"
    icon = "key"
    submit = "Make the secret"
    power = Power.LEAD
    form_class: ClassVar[type[DialogForm]] = SecretForm
    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError,)

    def explanation(self) -> str:
        if not self.row.secrets.exists():
            return "It is shown once, on the next page. Messages are signed with it from then on."
        hours = int(BOTH_VALID_FOR.total_seconds() // 3600)
        return (
            f"It is shown once, on the next page. For {hours} hours messages carry a signature of "
            "the old secret, too, so that the receiver can change over."
        )

    def act(self, form: DialogForm) -> tuple[str, HttpResponse]:
        _made, text = rotate_secret(
            endpoint=self.row, secret=form.cleaned_data["sealed"], by=self.user, now=self.now
        )
        context = {
            **admin.site.each_context(self.request),
            "title": "The new signing secret",
            "subtitle": str(self.row),
            "endpoint": self.row,
            "text": text,
            "back": change_url(self.row),
        }
        shown = TemplateResponse(self.request, "admin/new_secret.html", context)
        return "Made a signing secret.", shown


class SendTest(Dialog):
    """A message that says it is a test."""

    slug = "send-test"
    title = "Send a test"
    icon = "send"
    submit = "Send it"
    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError,)

    def is_offered(self) -> bool:
        return bool(self.row.is_active) and self.row.secrets.exists()

    def facts(self) -> list[tuple[str, str]]:
        return [("Address", self.row.url), ("Event", "webhook.test")]

    def act(self, form: DialogForm) -> str:
        send_test(endpoint=self.row, key=form.cleaned_data["key"], now=self.now)
        return "A test is on its way; its delivery says what came back."


class Replay(Dialog):
    """A message is sent again, under its own id."""

    slug = "replay"
    title = "Send it again"
    icon = "replay"
    submit = "Send it again"
    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError,)

    def is_offered(self) -> bool:
        states = WebhookDelivery.State
        return self.row.state in (states.DELIVERED, states.FAILED)

    def facts(self) -> list[tuple[str, str]]:
        return [("Message", str(self.row.message)), ("Address", self.row.endpoint.url)]

    def explanation(self) -> str:
        return "The receiver gets the same message under the same webhook-id once more."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        replay(delivery=self.row, now=self.now)
        return "It is on its way again."


@display(description="State", label={"on": "success", "needs a secret": "warning", "off": "danger"})
def endpoint_state(endpoint: WebhookEndpoint) -> str:
    if not endpoint.is_active:
        return "off"
    return "on" if endpoint.secrets.all() else "needs a secret"


@told("Events")
def events(endpoint: WebhookEndpoint) -> str:
    return ", ".join(endpoint.types)


class DeliveryInline(ScopedInline):
    model = WebhookDelivery
    fields = ("message", "state", "attempts", "delivered_at")
    verbose_name_plural = "deliveries"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("message", "endpoint")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ScopedModelAdmin):
    """Programs of the agency that are told what happened, by signed HTTPS calls."""

    form = EndpointForm
    add_power = Power.LEAD
    change_power = Power.LEAD
    list_display = ("url", "description", "agency", "client", events, endpoint_state)
    list_filter = ("agency", "is_active", "client")
    list_select_related = ("agency", "client")
    search_fields = ("url", "description")
    autocomplete_fields = ("client",)
    inlines = (DeliveryInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (NewSecret, SendTest)
    fields = ("agency", "client", "url", "description", "types", "is_active")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("secrets")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = list(super().get_fields(request, obj))
        return names if obj is None else [*names, "failing_since", "disabled_because"]

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        fixed = [*super()._fixed(request, obj), "failing_since", "disabled_because"]
        return fixed if obj is None else [*fixed, "agency"]

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,
    ) -> None:
        if not change:
            obj.created_by = request.user
        save_endpoint(
            endpoint=obj,
            agency=obj.agency,
            client=obj.client,
            url=obj.url,
            description=obj.description,
            types=form.cleaned_data["types"],
            is_active=obj.is_active,
            now=now(),
        )


class AttemptInline(ScopedInline):
    model = WebhookAttempt
    fields = ("number", "at", "status", "milliseconds", "error", "excerpt")
    verbose_name_plural = "attempts"
    show_change_link = False


@told("Body")
def body(delivery: WebhookDelivery) -> str:
    return delivery.message.body


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Messages on their way to endpoints, with every try and what came back."""

    list_display = ("message", "endpoint", "state", "attempts", "created_at", "delivered_at")
    list_filter = ("state", "endpoint")
    list_select_related = ("message", "endpoint")
    search_fields = ("message__uid", "message__type", "endpoint__url")
    date_hierarchy = "created_at"
    inlines = (AttemptInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (Replay,)
    fields = (
        ("message", "endpoint"),
        ("state", "attempts", "tries"),
        ("created_at", "not_before", "delivered_at"),
        body,
    )
    readonly_fields = (body,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("message", "endpoint")
