"""Credit that was given rather than bought, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from agencyportal.portal import selectors
from agencyportal.portal.purchases import remaining_now
from agencyportal.portal.visits import Visit
from billing.models import CreditGrant


@dataclass(frozen=True, slots=True)
class Gift:
    """One grant as a row: what it is called, how much it was, what is left, how long it lasts."""

    workspace: str
    name: str
    given: str
    quantity: str
    left: str
    expires: str


def gift_rows(visit: Visit) -> list[Gift]:
    """What was given and can still be used, now or later, the next to expire first."""
    return list(_rows(visit))


def _rows(visit: Visit) -> Iterator[Gift]:
    grants = list(selectors.given(visit.client, visit.now))
    remaining = remaining_now(visit, (grant.workspace for grant in grants))
    for grant in grants:
        left = remaining.get(grant.pk, _frozen(grant))
        if left > 0:
            yield _row(visit, grant, left)


def _frozen(grant: CreditGrant) -> Decimal:
    """What is left of a grant that no running period can burn."""
    left: Decimal | None = grant.left  # type: ignore[attr-defined]
    revoked: Decimal = grant.taken_back  # type: ignore[attr-defined]
    return (grant.quantity if left is None else left) - revoked


def _row(visit: Visit, grant: CreditGrant, left: Decimal) -> Gift:
    writing = visit.writing
    is_promotion = grant.kind == CreditGrant.Kind.PROMOTIONAL
    return Gift(
        workspace=grant.workspace.name,
        name=_("Promotional credit") if is_promotion else _("Extra credit"),
        given=writing.at(grant.effective_at),
        quantity=writing.units(grant.quantity, grant.unit),
        left=writing.quantity(left),
        expires=_("No end") if grant.expires_at is None else writing.until(grant.expires_at),
    )
