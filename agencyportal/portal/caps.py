"""Where usage and spending stop: the caps over a client, and how far each is used, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from agencyportal.portal import charts
from agencyportal.portal.visits import Visit
from billing.models import Cap
from billing.selectors.caps import CapUse
from clients.models import CapKind, UsageUnit, Workspace

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class CapRow:
    """A cap as the pages show it. ``where`` and ``what`` are the form's values for it."""

    whose: str
    about: str
    limit: str
    used: str
    held: str
    left: str
    month: str
    set_by: str
    is_own: bool
    bar: SafeString
    where: str
    what: str


def shown_to_clients(uses: Iterable[CapUse]) -> list[CapUse]:
    """Without what calls cost: that is between the agency and the platform."""
    return [use for use in uses if use.kind != CapKind.COST]


def cap_rows(visit: Visit, uses: Sequence[CapUse]) -> list[CapRow]:
    """Caps of a client and its workspaces, as people read them."""
    return [_row(visit, use) for use in shown_to_clients(uses)]


def caps_on(uses: Iterable[CapUse], workspace: Workspace, unit: UsageUnit) -> list[CapUse]:
    """Those on one unit of one workspace."""
    return [use for use in uses if use.unit == unit and use.workspace in (None, workspace)]


def stops_at(visit: Visit, uses: Iterable[CapUse]) -> str:
    """Where one unit of one workspace stops; nothing where nothing stops it."""
    tightest = min(uses, key=lambda use: use.left, default=None)
    if tightest is None:
        return ""
    values = {
        "limit": _amount(visit, tightest, tightest.limit),
        "used": visit.writing.quantity(tightest.used),
    }
    if tightest.workspace is None:
        return _("Stops at %(limit)s in all workspaces together; %(used)s are used.") % values
    return _("Stops at %(limit)s.") % values


def _row(visit: Visit, use: CapUse) -> CapRow:
    is_own = use.set_by == Cap.SetBy.CLIENT
    about = use.unit.plural.capitalize() if use.unit else _("Money beyond the fees")
    return CapRow(
        whose=use.workspace.name if use.workspace else _("All workspaces together"),
        about=about,
        limit=_amount(visit, use, use.limit),
        used=_number(visit, use, use.used),
        held=_amount(visit, use, use.held) if use.held else "",
        left=_number(visit, use, use.left),
        month=visit.writing.month(use.month),
        set_by=_("You") if is_own else visit.agency.name,
        is_own=is_own,
        bar=mark_safe(  # noqa: S308 - numbers and class names only
            charts.share_bar(
                min(use.used + use.held, use.limit) if use.limit else Decimal(1),
                use.limit or Decimal(1),
            )
        ),
        where="all" if use.workspace is None else str(use.workspace.pk),
        what="spend" if use.unit is None else str(use.unit.pk),
    )


def _number(visit: Visit, use: CapUse, amount: Decimal) -> str:
    if use.unit is not None:
        return visit.writing.quantity(amount)
    return visit.writing.price(amount, use.currency)


def _amount(visit: Visit, use: CapUse, amount: Decimal) -> str:
    if use.unit is not None:
        return visit.writing.units(amount, use.unit)
    return visit.writing.price(amount, use.currency)
