"""A page for each figure that usage stands behind: what consumed it, and at what cost."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from agencyportal.core.admin import ReadOnlyAdmin
from agencyportal.core.admin_columns import money, quantity
from agencyportal.core.admin_dialogs import change_url, link
from billing.selectors.explaining import OVERAGE, Explanation, Part, Taken

from .columns import days

SLUG = "explain"
MOST_PARTS = 12


class ExplainedAdmin(ReadOnlyAdmin):
    """Rows that open into what consumed them, at ``…/<row>/explain/``."""

    def explanations(self, row: Any) -> list[Explanation]:
        """What there is to say of a row; nothing: the page is not there."""
        raise NotImplementedError

    def more_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reading(self.show_explanations))
        return [
            *super().more_urls(),
            path(f"<path:object_id>/{SLUG}/", view, name=self._url_name(SLUG)),
        ]

    def is_explained(self, row: Any) -> bool:  # noqa: ARG002
        """Whether there is anything to say of a row yet."""
        return True

    def links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        links = super().links(request, obj)
        if not self.is_explained(obj):
            return links
        return [
            *links,
            link("What consumed it", "troubleshoot", self.url(SLUG, obj)),
        ]

    def show_explanations(self, request: HttpRequest, row: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "What consumed it",
            "row": row,
            "back": change_url(row),
            "explanations": [_shown(explanation) for explanation in self.explanations(row)],
        }
        return TemplateResponse(request, "admin/explain.html", context)


def one(explanation: Explanation | None) -> list[Explanation]:
    """A list of the one there is. Raises Http404 where there is none."""
    if explanation is None:
        raise Http404("Nothing was counted there.")
    return [explanation]


def _shown(explanation: Explanation) -> dict[str, Any]:
    period = explanation.period
    currency = period.currency
    return {
        "title": f"{explanation.unit.plural.capitalize()}, {days(period)}",
        "workspace": period.workspace,
        "period_url": change_url(period),
        "used": quantity(explanation.used),
        "is_provisional": explanation.is_provisional,
        "taken": [_taken(taken, currency) for taken in explanation.taken],
    }


def _taken(taken: Taken, currency: str) -> dict[str, Any]:
    grant = taken.grant
    kind = "Overage" if taken.kind == OVERAGE else taken.kind.replace("_", "-").capitalize()
    return {
        "title": kind,
        "grant": grant,
        "grant_url": change_url(grant) if grant is not None else "",
        "quantity": quantity(taken.quantity),
        "tables": [
            (title, _rows(parts, currency))
            for title, parts in (
                ("Label", taken.labels),
                ("Model", taken.models),
                ("Run", taken.runs),
            )
            if parts
        ],
        "days": [(day, quantity(used)) for day, used in taken.days],
    }


def _rows(parts: list[Part], currency: str) -> list[tuple[str, str, int, str]]:
    return [
        (part.name or "Not named", quantity(part.quantity), part.events, money(part.cost, currency))
        for part in parts[:MOST_PARTS]
    ]
