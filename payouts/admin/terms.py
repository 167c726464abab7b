"""What agencies and the platform agreed on: the operator writes it, agencies read it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.timezone import now

from agencyportal.core.admin import ScopedForm, ScopedInline, ScopedModelAdmin
from agencyportal.core.admin_columns import quantity, told
from agencyportal.core.powers import Power
from clients.models import User
from payouts.models import PayoutTerms, PayoutTermsChange, PlatformFeeRule
from payouts.services.terms import (
    TermsRefusedError,
    add_fee_rule,
    refuse_posted_fees,
    set_payout_terms,
)


class TermsChangeInline(ScopedInline):
    """What was agreed on before, and who changed it."""

    model = PayoutTermsChange
    fields = (
        "changed_at",
        "changed_by",
        "payout_day",
        "minimum_amount",
        "reserve_percent",
        "reserve_days",
        "pay_by",
        "account_hint",
    )
    verbose_name_plural = "history"
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("changed_by")


@admin.register(PayoutTerms)
class PayoutTermsAdmin(ScopedModelAdmin):
    """When an agency is paid, and from what amount."""

    add_power = Power.OPERATE
    change_power = Power.OPERATE
    list_display = ("agency", "payout_day", "minimum_amount", "account_hint")
    list_select_related = ("agency",)
    search_fields = ("agency__name", "agency__slug")
    fields = (
        "agency",
        ("payout_day", "minimum_amount"),
        ("reserve_percent", "reserve_days"),
        "pay_by",
        "account_hint",
    )

    inlines = (TermsChangeInline,)

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        fixed = super()._fixed(request, obj)
        return fixed if obj is None else [*fixed, "agency"]

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        made = set_payout_terms(
            agency=obj.agency,
            payout_day=obj.payout_day,
            minimum_amount=obj.minimum_amount,
            account_hint=obj.account_hint,
            pay_by=obj.pay_by,
            reserve_percent=obj.reserve_percent,
            reserve_days=obj.reserve_days,
            changed_by=cast(User, request.user),
            now=now(),
        )
        obj.pk = made.pk


@told("Takes", ordering="percent")
def takes(rule: PlatformFeeRule) -> str:
    return f"{quantity(rule.percent)} % of {rule.line_kind.replace('_', ' ') or 'everything'}"


class FeeRuleForm(ScopedForm):
    """Says in the form what the service would refuse."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            try:
                refuse_posted_fees(agency=cleaned["agency"], since=cleaned["effective_from"])
            except TermsRefusedError as error:
                raise ValidationError(str(error)) from None
        return cleaned


@admin.register(PlatformFeeRule)
class PlatformFeeRuleAdmin(ScopedModelAdmin):
    """The platform's share of what is paid. A later rule takes over; none is edited."""

    form = FeeRuleForm
    add_power = Power.OPERATE
    list_display = (takes, "agency", "effective_from", "created_at")
    list_filter = ("agency", "line_kind")
    list_select_related = ("agency",)
    search_fields = ("agency__name", "line_kind")
    ordering = ("agency", "-effective_from")
    fields = ("agency", ("line_kind", "percent"), "effective_from")

    def write(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002
    ) -> None:
        made = add_fee_rule(
            agency=obj.agency,
            percent=obj.percent,
            effective_from=obj.effective_from,
            line_kind=obj.line_kind,
            created_by=cast(User, request.user),
            now=now(),
        )
        obj.pk = made.pk
