"""What somebody may do at an agency. ``core.tenancy`` says what they may see.

Roles and their powers are the clients' app's to define; the faces ask only for powers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from django.http import HttpRequest

from agencyportal.core.tenancy import Access


class Power(StrEnum):
    """What a role allows at its agency."""

    READ = "read"
    """See the agency's rows."""
    ACT = "act"
    """Run the month: clients, workspaces, keys, top-ups, credit, alerts."""
    MONEY = "money"
    """Deal with money that is owed: payments, invoices, mail about them."""
    LEAD = "lead"
    """Decide about the agency itself: its profile, its people."""
    OPERATE = "operate"
    """Run the platform: prices, terms, taxes, everybody's agency. No role at an agency has it."""


@dataclass(frozen=True, slots=True)
class Powers:
    """What somebody may do, by agency; an operator may do everything everywhere."""

    everything: bool = False
    by_agency: Mapping[int, frozenset[Power]] = field(default_factory=dict)

    @classmethod
    def none(cls) -> Self:
        return cls()

    @classmethod
    def all(cls) -> Self:
        return cls(everything=True)

    def __bool__(self) -> bool:
        return self.everything or bool(self.by_agency)

    def may(self, power: Power, agency_id: int | None) -> bool:
        """Whether ``power`` is held over a row of this agency; None is a row of the platform."""
        if self.everything:
            return True
        return agency_id is not None and power in self.by_agency.get(agency_id, frozenset())

    def anywhere(self, power: Power) -> bool:
        """Whether ``power`` is held at any agency at all."""
        return self.everything or any(power in held for held in self.by_agency.values())

    @property
    def access(self) -> Access:
        """What these powers open: whole agencies, never what somebody sees as a client's member."""
        if self.everything:
            return Access.all()
        return Access(agency_ids=frozenset(self.by_agency))

    @property
    def only_agency(self) -> int | None:
        """The one agency that all of it is about, if there is exactly one."""
        if self.everything or len(self.by_agency) != 1:
            return None
        return next(iter(self.by_agency))


@runtime_checkable
class HasPowers(Protocol):
    """A user model that knows its roles."""

    is_active: bool

    def powers(self) -> Powers: ...


def powers_of(user: object) -> Powers:
    """What ``user`` may do: nothing for anonymous and inactive people. Asks the database."""
    if isinstance(user, HasPowers) and user.is_active:
        return user.powers()
    return Powers.none()


def powers_in(request: HttpRequest) -> Powers:
    """What the person of this request may do, asked once for each request."""
    known: Powers | None = getattr(request, "portal_powers", None)
    if known is None:
        known = powers_of(getattr(request, "user", None))
        request.portal_powers = known  # type: ignore[attr-defined]
    return known
