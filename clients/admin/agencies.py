"""Agencies, their people, and the platform."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from agencyportal.core.admin import ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import state, told
from agencyportal.core.admin_dialogs import Dialog
from agencyportal.core.powers import Power, powers_in
from clients.models import Agency, AgencyMember, Platform, User

from .languages import InLanguagesAdmin
from .logos import RemoveLogo, SetLogo, logo

ADDRESS = (
    "legal_name",
    ("address_line1", "address_line2"),
    ("postal_code", "city"),
    ("region", "country"),
    ("tax_id", "email"),
)
ROLES = {"owner": "info", "admin": "info", "manager": "success", "finance": "warning"}


@told("E-mail", ordering="user__email")
def member_email(member: Any) -> str:
    return str(member.user.email)


@told("Name", ordering="user__name")
def member_name(member: Any) -> str:
    return str(member.user.name or "–")


class AgencyMemberInline(ScopedInline):
    model = AgencyMember
    fields = (member_name, member_email, "role", "created_at")
    verbose_name_plural = "people"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("user")


@admin.register(Agency)
class AgencyAdmin(InLanguagesAdmin):
    """One's own agency; all of them for the operator."""

    add_power = Power.OPERATE
    change_power = Power.LEAD
    list_display = ("name", "slug", "country", "timezone", "email", "created_at")
    list_filter = ("country",)
    search_fields = ("name", "legal_name", "slug", "email")
    inlines = (AgencyMemberInline,)
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = (logo,)
    dialogs: ClassVar[tuple[type[Dialog], ...]] = (SetLogo, RemoveLogo)
    fieldsets = (
        (None, {"fields": ("name", "slug", ("timezone", "language"))}),
        ("As printed on documents", {"fields": (("brand_color", logo), *ADDRESS)}),
        ("Terms", {"fields": (("payment_terms_days", "grace_hours"),)}),
    )

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Slug and zone name files and bound payout months: the operator's, once there are any."""
        if obj is None or powers_in(request).everything:
            return super()._fixed(request, obj)
        return [*super()._fixed(request, obj), "slug", "timezone", "grace_hours"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj is not None else super().get_prepopulated_fields(request, obj)


@admin.register(AgencyMember)
class AgencyMemberAdmin(ScopedModelAdmin):
    """Who works for the agency, as what. Joining is by invitation, on the agency's page."""

    change_power = Power.LEAD
    delete_power = Power.LEAD
    list_display = (member_name, member_email, "agency", state("role", ROLES), "created_at")
    list_filter = ("role", "agency")
    list_select_related = ("user", "agency")
    search_fields = ("user__email", "user__name")
    fields = (member_name, member_email, "agency", "role", "created_at")
    readonly_fields = (member_name, member_email, "agency", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_other(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_other(request, obj) and super().has_delete_permission(request, obj)

    def _is_other(self, request: HttpRequest, obj: Any) -> bool:
        """Nobody takes their own role away, so that an agency is never left without an owner."""
        return not isinstance(obj, AgencyMember) or obj.user_id != request.user.pk


@admin.register(Platform)
class PlatformAdmin(ScopedModelAdmin):
    """The operator as printed on invoices and statements. There is one row."""

    add_power = Power.OPERATE
    change_power = Power.OPERATE
    list_display = ("name", "legal_name", "country", "email", "timezone")
    fieldsets = (
        (None, {"fields": ("name", "timezone")}),
        ("As printed on documents", {"fields": (*ADDRESS, "payment_details", "numbers_by_year")}),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_add_permission(request, obj) and not Platform.objects.exists()


@admin.register(User)
class UserAdmin(ScopedModelAdmin):
    """Everybody who signs in: the operator's list."""

    change_power = Power.OPERATE
    list_display = ("email", "name", "is_operator", "is_staff", "is_active", "last_login")
    list_filter = ("is_operator", "is_active")
    search_fields = ("email", "name")
    fields = ("email", "name", ("is_active", "is_operator"), "last_login", "created_at")
    readonly_fields = ("email", "last_login", "created_at")
