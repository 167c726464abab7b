"""The dialog that prices usage which was recorded without a cost, and what came of it."""

from __future__ import annotations

from typing import Any, Final

from agencyportal.core.admin import ScopedInline, extend
from agencyportal.core.admin_columns import quantity, told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from clients.models import Agency, UsageEvent, UsagePricing, Workspace
from clients.services.price_again import Outcome, flagged_events, look_again, price_again

LOOKED_AT: Final = 2_000
"""Events that the dialog looks at before it is sent."""
PRICED_AT_ONCE: Final = 10_000
"""Events that a request prices; what is more takes another one, or the command."""
NAMED: Final = 5


class PriceAgain(Dialog):
    """Prices an agency's or a workspace's usage whose price or exchange rate was unknown."""

    slug = "price-again"
    title = "Price flagged usage"
    icon = "sell"
    submit = "Price it"
    power = Power.ACT

    def is_offered(self) -> bool:
        return flagged_events().filter(workspace__in=self._workspaces()).exists()

    def why_not(self) -> str:
        if not self.is_offered():
            return "Every event that names a model has a price and an exchange rate."
        if not self._found.priced:
            return (
                f"None of these can be priced yet: {_named(self._found)}. Add a model price or an "
                "exchange rate that was in force when they happened."
            )
        return ""

    def facts(self) -> list[tuple[str, str]]:
        waiting = flagged_events().filter(workspace__in=self._workspaces()).count()
        found = self._found
        of = "" if waiting <= LOOKED_AT else f", of the first {LOOKED_AT:,}"
        facts = [
            ("Events without a cost", f"{waiting:,}"),
            ("Can be priced now", f"{found.priced:,}{of}"),
            ("They cost", _cost(found)),
        ]
        return [*facts, ("Still unknown", _named(found))] if found.left else facts

    def explanation(self) -> str:
        return (
            "Each event costs what was in force when it happened. In open periods costs, caps and "
            "margins move at once. In closed ones the cost settles in the open period: it is taken "
            "off the payout, and where overage is priced by cost the client is billed for it. "
            "An event is priced once; that stays."
        )

    def act(self, form: DialogForm) -> str:  # noqa: ARG002
        done = price_again(
            workspaces=self._workspaces(),
            now=self.now,
            created_by=self.user,
            limit=PRICED_AT_ONCE,
        )
        rest = flagged_events().filter(workspace__in=self._workspaces()).count()
        left = f" Still without a cost: {rest:,}." if rest else ""
        return f"Events priced: {done.priced:,} ({_cost(done)}).{left}"

    @property
    def _found(self) -> Outcome:
        known: Outcome | None = getattr(self, "_known", None)
        if known is None:
            known = self._known = look_again(workspaces=self._workspaces(), limit=LOOKED_AT)
        return known

    def _workspaces(self) -> Any:
        rows = Workspace.objects.select_related("client").order_by("pk")
        if isinstance(self.row, Workspace):
            return rows.filter(pk=self.row.pk)
        return rows.filter(agency=self.row)


def _cost(found: Outcome) -> str:
    """In full: a single call costs less than a cent."""
    return ", ".join(f"{quantity(cost)} {code}" for code, cost in sorted(found.cost.items())) or "–"


def _named(found: Outcome) -> str:
    most = found.left.most_common(NAMED)
    more = len(found.left) - len(most)
    named = ", ".join(f"{name} ({count:,})" for name, count in most)
    return named + (f" and {more:,} more models" if more > 0 else "")


@told("In the client's currency")
def client_cost(pricing: UsagePricing) -> str:
    return f"{quantity(pricing.client_cost)} {pricing.workspace.client.currency}"


class PricingInline(ScopedInline):
    model = UsagePricing
    fields = ("recorded_at", "cost", "cost_currency", client_cost, "price_source", "created_by")
    verbose_name_plural = "cost found later"
    show_change_link = False

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).select_related("workspace__client", "created_by")


extend(Agency, dialogs=(PriceAgain,))
extend(Workspace, dialogs=(PriceAgain,))
extend(UsageEvent, inlines=(PricingInline,))
