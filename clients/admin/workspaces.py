"""Workspaces and the keys that speak for them."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agencyportal.core.admin import ReadOnlyAdmin, ScopedForm, ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import display, told
from agencyportal.core.admin_dialogs import DayField, Dialog, DialogForm, change_url
from agencyportal.core.periods import local_day_start
from agencyportal.core.powers import Power
from clients.models import Workspace, WorkspaceKey
from clients.services.keys import MARK, SECRET_BYTES, create_key, hash_of, revoke_key
from clients.services.people import free_slug, is_taken

SALT: Final = "clients.admin.workspaces.key"
FORM_LIVES_SECONDS: Final = 3600
ONE_DAY: Final = dt.timedelta(days=1)


class KeyForm(DialogForm):
    """``sealed`` carries the new key's text, signed: sending the form twice makes one key."""

    name = forms.CharField(max_length=100, help_text="What uses it: “production”, “nightly job”.")
    scopes = forms.MultipleChoiceField(
        choices=WorkspaceKey.Scope.choices,
        initial=[WorkspaceKey.Scope.EVENTS, WorkspaceKey.Scope.READ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    expires_on = DayField(required=False, help_text="Last day on which it works. Empty: never.")
    sealed = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = MARK + secrets.token_urlsafe(SECRET_BYTES)
        self.fields["sealed"].initial = signing.dumps(text, salt=SALT)

    def clean_sealed(self) -> str:
        try:
            text: str = signing.loads(
                self.cleaned_data["sealed"], salt=SALT, max_age=FORM_LIVES_SECONDS
            )
        except signing.BadSignature:
            raise forms.ValidationError("This form is too old. Open it again.") from None
        return text


class CreateKey(Dialog):
    """A key is made and its text shown, this one time."""

    slug = "create-key"
    title = "Create a key"
    icon = "key"
    submit = "Create the key"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = KeyForm

    def explanation(self) -> str:
        return "The key is shown once, on the next page. Only its hash is kept."

    def act(self, form: DialogForm) -> tuple[str, HttpResponse]:
        text = form.cleaned_data["sealed"]
        made = WorkspaceKey.objects.filter(workspace=self.row, secret_hash=hash_of(text)).first()
        key = made or self._create(form.cleaned_data, text)
        return f"Created the key {key}.", self._shown(key, text)

    def _create(self, said: dict[str, Any], text: str) -> WorkspaceKey:
        day: dt.date | None = said["expires_on"]
        ends = local_day_start(day + ONE_DAY, self.row.client.timezone) if day else None
        key, _ = create_key(
            workspace=self.row,
            name=said["name"],
            scopes=said["scopes"],
            now=self.now,
            secret=text,
            created_by=self.user,
            expires_at=ends,
        )
        return key

    def _shown(self, key: WorkspaceKey, text: str) -> HttpResponse:
        context = {
            **admin.site.each_context(self.request),
            "title": "The new key",
            "subtitle": str(self.row),
            "key": key,
            "text": text,
            "back": change_url(self.row),
        }
        return TemplateResponse(self.request, "admin/new_key.html", context)


class RevokeKey(Dialog):
    """A key stops working now, for good."""

    slug = "revoke"
    title = "Revoke the key"
    icon = "key_off"
    submit = "Revoke it now"
    danger = True
    power = Power.ACT

    def is_offered(self) -> bool:
        return self.row.revoked_at is None

    def explanation(self) -> str:
        return "Programs that use it are refused from now on. This cannot be taken back."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        revoke_key(key=self.row, now=self.now)
        return f"The key {self.row} no longer works."


@told("Key", ordering="prefix")
def shown_prefix(key: WorkspaceKey) -> str:
    return f"{key.prefix}…"


@told("May")
def allowed_scopes(key: WorkspaceKey) -> str:
    words = dict(WorkspaceKey.Scope.choices)
    return ", ".join(str(words.get(scope, scope)).lower() for scope in key.scopes)


@display(description="State", label={"works": "success", "expired": "warning", "revoked": "danger"})
def key_state(key: WorkspaceKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now() else "works"


class KeyInline(ScopedInline):
    model = WorkspaceKey
    fields = ("name", shown_prefix, allowed_scopes, "created_at", "last_used_at", "revoked_at")
    verbose_name_plural = "keys"


class WorkspaceForm(ScopedForm):
    """Slugs are unique over all agencies. Whose one is in the way is nobody's business."""

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if is_taken(slug):
            raise forms.ValidationError(f"“{slug}” is not free; “{free_slug(slug)}” is.")
        return slug


@admin.register(Workspace)
class WorkspaceAdmin(ScopedModelAdmin):
    """Deployments: one app, department or site of a client."""

    form = WorkspaceForm
    add_power = Power.ACT
    change_power = Power.ACT
    list_display = ("name", "slug", "client", "agency", "cost_payer", "settled_until")
    list_filter = ("agency", "client", "cost_payer")
    list_select_related = ("client", "agency")
    search_fields = ("slug", "name", "client__name", "client__slug")
    autocomplete_fields = ("client",)
    inlines = (KeyInline,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (CreateKey,)
    prepopulated_fields = {"slug": ("name",)}
    fields = ("client", "name", "slug", "cost_payer")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = list(super().get_fields(request, obj))
        return names if obj is None else [*names, "settled_until"]

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Keys and commands name it by its slug, and its costs are whose they were."""
        fixed = [*super()._fixed(request, obj)]
        return fixed if obj is None else [*fixed, "client", "slug", "cost_payer", "settled_until"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj is not None else super().get_prepopulated_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.agency_id = obj.client.agency_id  # before anybody asks whose it is
        super().save_model(request, obj, form, change)


@admin.register(WorkspaceKey)
class WorkspaceKeyAdmin(ReadOnlyAdmin):
    """Keys: made on the page of their workspace, known by their first characters."""

    list_display = (
        "name",
        shown_prefix,
        "workspace",
        allowed_scopes,
        key_state,
        "last_used_at",
        "created_at",
    )
    list_filter = ("workspace",)
    list_select_related = ("workspace",)
    search_fields = ("name", "prefix", "workspace__slug", "workspace__client__name")
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (RevokeKey,)
    fields = (
        "workspace",
        "name",
        shown_prefix,
        allowed_scopes,
        ("created_at", "created_by"),
        ("last_used_at", "expires_at"),
        "revoked_at",
    )
    readonly_fields = (shown_prefix, allowed_scopes)
