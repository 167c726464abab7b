"""Bank accounts of agencies: added, waited for, stopped.

Whoever takes over an owner's mailbox or session wants the next payout on another account. So a new
account waits, the agency's owners are told at once, and any of them, or the operator, can stop it.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.refusals import RefusedError
from billing.services.mailing import message, queue_mail
from clients.models import Agency, User
from payouts.bank_details import BankDetails, BankDetailsError, checked
from payouts.models import BankAccount

from .payout_mail import owner_addresses

HELD_FOR: Final = dt.timedelta(days=3)
"""How long nothing is paid to a new account: time to read the message about it."""

BODY: Final = """\
Hello,

{who} added a bank account for the payouts of {agency}: {hint}, {holder}.

Nothing is paid to it before {day}. If you know nothing of this, open the account in the portal and
stop it, and change your password.
"""

STOPPED: Final = """\
Hello,

{who} stopped the bank account {hint} of {agency}. {now}
"""


def add_bank_account(
    *,
    agency: Agency,
    holder: str,
    details: BankDetails,
    added_by: User | None,
    now: dt.datetime,
) -> BankAccount:
    """Have an agency be paid to another account, from `HELD_FOR` on. The same details again are
    the account that is there.

    Raises RefusedError (``field``) for numbers that cannot be true. Tells the owners by mail.
    Locks the agency, as approving its payouts does.
    """
    if not holder.strip():
        raise RefusedError("Say whose account it is.", field="holder")
    try:
        proved = checked(details)
    except BankDetailsError as error:
        raise RefusedError(str(error), field=error.field) from None
    with transaction.atomic():
        lock_row(Agency.objects.filter(pk=agency.pk))
        last = BankAccount.objects.filter(agency=agency, stopped_at=None).first()
        if last is not None and (last.details, last.holder) == (proved, holder.strip()):
            return last
        account = BankAccount.objects.create(
            agency=agency,
            holder=holder.strip()[:70],
            country=proved.country,
            iban=proved.iban,
            bic=proved.bic,
            account_number=proved.account_number,
            routing_number=proved.routing_number,
            added_by=added_by,
            added_at=now,
            usable_from=now + HELD_FOR,
        )
        words = BODY.format(
            who=added_by or "The platform",
            agency=agency,
            hint=account.hint,
            holder=account.holder,
            day=f"{account.usable_from:%-d %B %Y, %H:%M} UTC",
        )
        _tell(account, "added", "A bank account was added", words, now)
        return account


def stop_bank_account(*, account: BankAccount, stopped_by: User, now: dt.datetime) -> BankAccount:
    """Never pay to an account again; the one before it is paid to, if there is one. Locks the
    agency, then the account."""
    with transaction.atomic():
        lock_row(Agency.objects.filter(pk=account.agency_id))
        locked = lock_row(BankAccount.objects.select_related("agency").filter(pk=account.pk))
        if locked.stopped_at is not None:
            return locked
        locked.stopped_at, locked.stopped_by = now, stopped_by
        locked.save(update_fields=["stopped_at", "stopped_by"])
        before = account_of(agency=locked.agency, at=now)
        words = STOPPED.format(
            who=stopped_by,
            hint=locked.hint,
            agency=locked.agency,
            now=f"{before.hint} is paid to." if before else "There is none to pay to now.",
        )
        _tell(locked, "stopped", "A bank account was stopped", words, now)
        return locked


def account_of(*, agency: Agency, at: dt.datetime) -> BankAccount | None:
    """The account that an agency is paid to."""
    return BankAccount.objects.filter(agency=agency).usable(at).first()


def _tell(account: BankAccount, what: str, subject: str, words: str, now: dt.datetime) -> None:
    mail = message(
        agency=account.agency,
        client=None,
        key=f"bank-account:{account.pk}:{what}",
        recipients=owner_addresses(account.agency),
        subject=f"{subject}: {account.hint}",
        body_text=words,
        now=now,
    )
    queue_mail(mail)
