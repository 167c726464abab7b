"""What an agency is told of its payouts after the statement: how each stands, and other terms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from agencyportal.core.money import format_money, plain
from billing.models import Mail
from billing.services.mailing import message, queue_mail
from clients.models import Agency, AgencyMember
from payouts.models import Payout, PayoutTerms, PayoutTermsChange, PayoutTransition

_States = Payout.State

TOLD: Final = {
    _States.PAID: "{amount} of payout {number} for {month} is paid to you.{reference}",
    _States.FAILED: (
        "{amount} of payout {number} for {month} could not be paid: {reason}\n\n"
        "The amount stays owed to you. We look into it and try again."
    ),
    _States.CANCELLED: (
        "Payout {number} for {month} is cancelled: {reason}\n\n"
        "Nothing of it is lost: {amount} opens your next payout."
    ),
}
"""What the agency hears of; the rest happens at the platform."""

BODY = """\
Hello,

{what}

{platform}
"""

TERMS_BODY = """\
Hello,

{who} changed the payout terms of {agency}:

{changes}

They hold for payouts that are made up from now on. If you know nothing of this, answer this message
today: nobody approves a payout without somebody having looked at it.

{platform}
"""


def queue_state_mail(transition: PayoutTransition, *, now: dt.datetime) -> Mail | None:
    """Write down the message about a payout's new state, where the agency is to hear of it."""
    payout = transition.payout
    words = TOLD.get(_States(transition.to_state))
    if words is None:
        return None
    told = words.format(
        amount=format_money(payout.amount, payout.currency),
        number=payout.number,
        month=f"{payout.month:%B %Y}",
        reason=transition.reason,
        reference=f"\n\nReference: {transition.reference}" if transition.reference else "",
    )
    state = transition.get_to_state_display().lower()
    mail = message(
        agency=payout.agency,
        client=None,
        key=f"payout:{payout.number}:{transition.number}",
        recipients=finance_addresses(payout.agency),
        subject=f"Payout {payout.number} is {state}",
        body_text=BODY.format(what=told, platform=payout.snapshot["payer"]["name"]),
        now=now,
    )
    return queue_mail(mail)


def queue_terms_mail(change: PayoutTermsChange, *, before: PayoutTerms, now: dt.datetime) -> Mail:
    """Tell an agency's owners that its payout terms are others now."""
    agency = change.terms.agency
    mail = message(
        agency=agency,
        client=None,
        key=f"payout-terms:{change.pk}",
        recipients=owner_addresses(agency),
        subject=f"The payout terms of {agency} have changed",
        body_text=TERMS_BODY.format(
            who=change.changed_by or "The platform",
            agency=agency,
            changes="\n".join(f"- {line}" for line in _changes(before, change)),
            platform="Your platform",
        ),
        now=now,
    )
    return queue_mail(mail)


def _changes(before: PayoutTerms, after: PayoutTermsChange) -> Iterator[str]:
    for name, words in (
        ("payout_day", "Payout day"),
        ("minimum_amount", "Smallest payout"),
        ("account_hint", "Account, as printed"),
    ):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{words}: {_said(old)} before, {_said(new)} now"


def _said(value: object) -> str:
    if value == "":
        return "nothing"
    return value if isinstance(value, str) else plain(value)  # type: ignore[arg-type]


def finance_addresses(agency: Agency) -> list[str]:
    """Whom money matters of an agency are written to: its finance people, else its owners, else
    the agency's own address."""
    found = _addresses(agency, AgencyMember.Role.FINANCE)
    return found or owner_addresses(agency)


def owner_addresses(agency: Agency) -> list[str]:
    """Its owners, else the agency's own address."""
    found = _addresses(agency, AgencyMember.Role.OWNER)
    return found or ([agency.email] if agency.email else [])


def _addresses(agency: Agency, role: str) -> list[str]:
    members = agency.members.filter(user__is_active=True, role=role).order_by("user__email")
    return list(members.values_list("user__email", flat=True))
