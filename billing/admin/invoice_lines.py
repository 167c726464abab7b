"""The lines of an invoice, each with the page that says what stands behind it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Concat, Substr
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from agencyportal.core.admin import ScopedInline
from agencyportal.core.admin_columns import told
from billing.models import CreditGrant, InvoiceLine, LateSettlement, LineKind, PeriodUsage

from .explaining import SLUG

OF_PURCHASE = len("top_up:") + 1


@told("What it was")
def behind(line: Any) -> str:
    """A link to what consumed it; of a minimum, to the period that lacked it."""
    found = _behind(line)
    if found is None:
        return "–"
    name, pk, words = found
    url = reverse(f"admin:{name}", args=(pk,))
    return format_html('<a href="{}">{}</a>', url, words)


def _behind(line: Any) -> tuple[str, int, str] | None:
    if line.kind == LineKind.OVERAGE and line.usage_id:
        return f"billing_periodusage_{SLUG}", line.usage_id, "What consumed it"
    if line.kind == LineKind.TOP_UP and line.grant_id:
        return f"billing_creditgrant_{SLUG}", line.grant_id, "What consumed it"
    if line.kind == LineKind.LATE_USAGE and line.late_id:
        return "billing_latesettlement_change", line.late_id, "What came late"
    if line.kind == LineKind.MINIMUM:
        return "billing_billingperiod_change", line.charge.period_id, "What was used"
    return None


class LineInline(ScopedInline):
    model = InvoiceLine
    fields = (
        "position",
        "description",
        behind,
        "kind",
        "quantity",
        "unit_amount",
        "net",
        "tax_percent",
    )
    verbose_name_plural = "lines"
    show_change_link = False
    per_page = 50

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """With what each line opens into, in the one query."""
        usage = PeriodUsage.objects.filter(
            period=OuterRef("charge__period"), unit=OuterRef("charge__unit")
        )
        of_purchase = Concat(Value("purchase:"), Substr(OuterRef("charge__key"), OF_PURCHASE))
        grant = CreditGrant.objects.filter(key=of_purchase)
        late = LateSettlement.objects.filter(charge=OuterRef("charge")).order_by("number")
        rows = super().get_queryset(request).select_related("charge")
        found: models.QuerySet[Any] = rows.annotate(
            usage_id=Subquery(usage.values("pk")[:1]),
            grant_id=Subquery(grant.values("pk")[:1]),
            late_id=Subquery(late.values("pk")[:1]),
        )
        return found
