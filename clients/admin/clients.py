"""Clients and their people."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agencyportal.core.admin import ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import state
from agencyportal.core.powers import Power
from clients.models import Client, ClientMember, Workspace

from .agencies import ADDRESS, ROLES, member_email, member_name
from .languages import InLanguagesAdmin


class WorkspaceInline(ScopedInline):
    model = Workspace
    fields = ("name", "slug", "cost_payer", "settled_until")


class ClientMemberInline(ScopedInline):
    model = ClientMember
    fields = (member_name, member_email, "role", "created_at")
    verbose_name_plural = "people"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("user")


@admin.register(Client)
class ClientAdmin(InLanguagesAdmin):
    """The agency's customers."""

    add_power = Power.ACT
    change_power = Power.ACT
    list_display = ("name", "agency", "currency", "country", "email", "timezone", "created_at")
    list_filter = ("agency", "currency", "country")
    list_select_related = ("agency",)
    search_fields = ("name", "legal_name", "slug", "email", "tax_id", "workspaces__slug")
    inlines = (WorkspaceInline, ClientMemberInline)
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (None, {"fields": ("agency", "name", "slug", ("currency", "timezone"), "language")}),
        ("As printed on documents", {"fields": ADDRESS}),
        ("Top-ups", {"fields": ("automatic_on_account",)}),
    )

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Currency and zone rule periods and invoices: they stay what they were sold as."""
        fixed = super()._fixed(request, obj)
        return fixed if obj is None else [*fixed, "agency", "slug", "currency", "timezone"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj is not None else super().get_prepopulated_fields(request, obj)


@admin.register(ClientMember)
class ClientMemberAdmin(ScopedModelAdmin):
    """Who looks at the client's pages, and who may buy there."""

    change_power = Power.ACT
    delete_power = Power.ACT
    list_display = (member_name, member_email, "client", state("role", ROLES), "created_at")
    list_filter = ("role", "client")
    list_select_related = ("user", "client")
    search_fields = ("user__email", "user__name", "client__name")
    fields = (member_name, member_email, "client", "role", "created_at")
    readonly_fields = (member_name, member_email, "client", "created_at")
