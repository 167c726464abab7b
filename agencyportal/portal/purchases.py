"""What was bought, and what is left of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from agencyportal.portal.visits import Visit
from billing.models import TopUpPurchase
from billing.selectors import balances
from clients.models import User, Workspace

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bought:
    """One purchase as a row of the history."""

    pk: int
    workspace: str
    name: str
    bought: str
    by: str
    quantity: str
    left: str
    revoked: str
    """Empty where nothing was taken back."""
    is_usable: bool
    expires: str
    price: str


def bought_rows(visit: Visit, purchases: Iterable[TopUpPurchase]) -> list[Bought]:
    """Rows for some purchases, in their order. One balance per workspace among them."""
    rows = list(purchases)
    left = left_of(visit, rows)
    return [_row(visit, purchase, left[purchase.pk]) for purchase in rows]


def left_of(visit: Visit, purchases: Iterable[TopUpPurchase]) -> dict[int, Decimal]:
    """Units still usable now, by purchase; 0 once expired. Provisional while periods are open."""
    rows = list(purchases)
    remaining = remaining_now(visit, (row.workspace for row in rows))
    return {row.pk: _left(visit, row, remaining) for row in rows}


def remaining_now(visit: Visit, workspaces: Iterable[Workspace]) -> dict[int | str, Decimal]:
    """What is left of every grant that the periods in progress can burn. One balance each."""
    remaining: dict[int | str, Decimal] = {}
    for workspace in {row.pk: row for row in workspaces}.values():
        for balance in balances(workspace=workspace, now=visit.now):
            remaining |= {o.grant.id: o.remaining for o in balance.result.grants}
    return remaining


def _left(visit: Visit, purchase: TopUpPurchase, remaining: dict[int | str, Decimal]) -> Decimal:
    grant = purchase.grant
    if grant.expires_at is not None and grant.expires_at <= visit.now:
        return ZERO
    if grant.pk in remaining:
        return remaining[grant.pk]
    frozen: Decimal | None = purchase.left  # type: ignore[attr-defined]  # selectors.purchases
    revoked: Decimal = purchase.taken_back  # type: ignore[attr-defined]  # the same
    return (grant.quantity if frozen is None else frozen) - revoked


def _row(visit: Visit, purchase: TopUpPurchase, left: Decimal) -> Bought:
    writing, expires_at = visit.writing, purchase.grant.expires_at
    revoked: Decimal = purchase.revoked  # type: ignore[attr-defined]  # selectors.purchases
    if expires_at is None:
        expires = _("Never")
    elif expires_at <= visit.now:
        expires = _("Expired after %(day)s") % {"day": writing.until(expires_at)}
    else:
        expires = writing.until(expires_at)
    return Bought(
        pk=purchase.pk,
        workspace=purchase.workspace.name,
        name=purchase.band.name,
        bought=writing.at(purchase.purchased_at),
        by=person(visit, purchase.purchased_by),
        quantity=writing.units(purchase.quantity, purchase.unit),
        left=writing.quantity(left),
        revoked=writing.quantity(revoked) if revoked else "",
        is_usable=left > 0,
        expires=expires,
        price=writing.price(purchase.price, purchase.currency),
    )


def person(visit: Visit, user: User | None) -> str:
    """Who did something, as the client knows them; ``None`` is the portal itself."""
    if user is None:
        return _("Automatically")
    return _("You") if user.pk == visit.user.pk else str(user)
