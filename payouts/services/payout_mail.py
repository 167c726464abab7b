"""What an agency is told of its payouts after the statement: how each stands, and other terms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agencyportal.core.documents import DEFAULT_COLOUR
from agencyportal.core.formats import Formats
from agencyportal.core.money import plain, round_money
from agencyportal.core.printing import in_language_of
from billing.models import Mail
from billing.services.invoice_snapshot import locale_of
from billing.services.mailing import message, queue_mail
from clients.models import Agency, AgencyMember
from payouts.models import PayBy, Payout, PayoutTerms, PayoutTermsChange, PayoutTransition

_States = Payout.State

SUBJECTS: Final[dict[str, Promise]] = {
    _States.PAID: gettext_lazy("Payout %(number)s is paid"),
    _States.FAILED: gettext_lazy("Payout %(number)s has failed"),
    _States.CANCELLED: gettext_lazy("Payout %(number)s is cancelled"),
}
"""What the agency hears of; the rest happens at the platform."""

TOLD: Final[dict[str, tuple[Promise, ...]]] = {
    _States.PAID: (gettext_lazy("%(amount)s of payout %(number)s for %(month)s is paid to you."),),
    _States.FAILED: (
        gettext_lazy("%(amount)s of payout %(number)s for %(month)s could not be paid: %(reason)s"),
        gettext_lazy("The amount stays owed to you. We look into it and try again."),
    ),
    _States.CANCELLED: (
        gettext_lazy("Payout %(number)s for %(month)s is cancelled: %(reason)s"),
        gettext_lazy("Nothing of it is lost: %(amount)s opens your next payout."),
    ),
}

CHANGED: Final[dict[str, Promise]] = {
    "payout_day": gettext_lazy("Payout day: %(old)s before, %(new)s now"),
    "minimum_amount": gettext_lazy("Smallest payout: %(old)s before, %(new)s now"),
    "account_hint": gettext_lazy("Account, as printed: %(old)s before, %(new)s now"),
    "pay_by": gettext_lazy("Paid: %(old)s before, %(new)s now"),
    "reserve_percent": gettext_lazy(
        "Reserve for disputes, in percent: %(old)s before, %(new)s now"
    ),
    "reserve_days": gettext_lazy("Reserve for disputes, in days: %(old)s before, %(new)s now"),
}

WAYS: Final[dict[str, Promise]] = {
    PayBy.BANK: gettext_lazy("by bank transfer"),
    PayBy.STRIPE: gettext_lazy("through Stripe"),
}


def queue_state_mail(transition: PayoutTransition, *, now: dt.datetime) -> Mail | None:
    """Write down the message about a payout's new state, where the agency is to hear of it, in
    the agency's language."""
    payout = transition.payout
    state = _States(transition.to_state)
    if state not in TOLD:
        return None
    formats = Formats(locale_of(payout.agency), payout.currency)
    facts = {
        "amount": formats.money(round_money(payout.amount, payout.currency)),
        "number": payout.number,
        "month": formats.month(payout.month),
        "reason": transition.reason,
    }
    with in_language_of(formats):
        paragraphs = [str(words) % facts for words in TOLD[state]]
        if transition.reference:
            paragraphs.append(_("Reference: %(number)s") % {"number": transition.reference})
        mail = _message(
            payout.agency,
            formats,
            subject=str(SUBJECTS[state]) % facts,
            paragraphs=paragraphs,
            platform=payout.snapshot["payer"]["name"],
            key=f"payout:{payout.number}:{transition.number}",
            recipients=finance_addresses(payout.agency),
            now=now,
        )
    return queue_mail(mail)


def queue_terms_mail(change: PayoutTermsChange, *, before: PayoutTerms, now: dt.datetime) -> Mail:
    """Tell an agency's owners that its payout terms are others now."""
    agency = change.terms.agency
    formats = Formats(locale_of(agency), "USD")
    with in_language_of(formats):
        who = str(change.changed_by) if change.changed_by else _("The platform")
        facts = {"who": who, "agency": agency}
        mail = _message(
            agency,
            formats,
            subject=_("The payout terms of %(agency)s have changed") % facts,
            paragraphs=[
                _("%(who)s changed the payout terms of %(agency)s:") % facts,
                "\n".join(f"- {line}" for line in _changes(before, change)),
                _(
                    "They hold for payouts that are made up from now on. If you know nothing of "
                    "this, answer this message today: nobody approves a payout without somebody "
                    "having looked at it."
                ),
            ],
            platform=_("Your platform"),
            key=f"payout-terms:{change.pk}",
            recipients=owner_addresses(agency),
            now=now,
        )
    return queue_mail(mail)


def _message(
    agency: Agency,
    formats: Formats,
    *,
    subject: str,
    paragraphs: Sequence[str],
    platform: str,
    key: str,
    recipients: Sequence[str],
    now: dt.datetime,
) -> Mail:
    """It comes from the platform: the agency is who reads it."""
    told = {
        "subject": subject,
        "paragraphs": paragraphs,
        "reader": agency.printed_name,
        "agency": platform,
        "colour": DEFAULT_COLOUR,
        "language": formats.bcp47,
    }
    return message(
        agency=agency,
        client=None,
        key=key,
        recipients=recipients,
        subject=subject,
        body_text=render_to_string("mail/payout.txt", told),
        body_html=render_to_string("mail/payout.html", told),
        now=now,
    )


def _changes(before: PayoutTerms, after: PayoutTermsChange) -> Iterator[str]:
    for name, words in CHANGED.items():
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield str(words) % {"old": _said(old), "new": _said(new)}


def _said(value: object) -> str:
    if value == "":
        return _("nothing")
    if value in WAYS:
        return str(WAYS[PayBy(value)])
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
