"""Whether a client's saved card is charged on the due dates of its invoices: its own word."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from agencyportal.core.locks import lock_row
from billing.models import ChargeConsent
from billing.refusals import RefusedError
from clients.models import Client, ClientMember, User

from .client_balance import refuse_unfit_reason

LONGEST_WORDS = 500


def consent_of(client: Client) -> ChargeConsent | None:
    """The consent that holds; None where there is none, or it was ended."""
    last = ChargeConsent.objects.filter(client=client).order_by("-pk").first()
    return last if last is not None and last.is_given else None


@transaction.atomic
def give_consent(*, client: Client, words: str, given_by: User, now: dt.datetime) -> ChargeConsent:
    """Write down that a client wants its saved card charged on due dates.

    ``words``: what was shown. Given already, it is the one that is there. Raises RefusedError for
    who is no admin of the client: nobody else can consent for it. Locks the client.
    """
    lock_row(Client.objects.filter(pk=client.pk))
    roles = ClientMember.objects.filter(client=client, user=given_by, user__is_active=True)
    if not roles.filter(role=ClientMember.Role.ADMIN).exists():
        raise RefusedError(f"Only an admin of {client} can consent to that.")
    return consent_of(client) or _write(
        client, words, given_by, now, is_given=True, side=ChargeConsent.Side.CLIENT
    )


@transaction.atomic
def end_consent(
    *, client: Client, words: str, ended_by: User, side: str, now: dt.datetime
) -> ChargeConsent | None:
    """Write down that the saved card is not charged on due dates any more; None where it was not.

    ``side``: whether the client or its agency ends it; ``words``: why, or what was shown. What is
    on its way at Stripe stays. Raises RefusedError for no words. Locks the client.
    """
    refuse_unfit_reason(words)
    lock_row(Client.objects.filter(pk=client.pk))
    if consent_of(client) is None:
        return None
    return _write(client, words, ended_by, now, is_given=False, side=side)


def _write(
    client: Client, words: str, by: User, now: dt.datetime, *, is_given: bool, side: str
) -> ChargeConsent:
    row = ChargeConsent(
        agency_id=client.agency_id,
        client=client,
        is_given=is_given,
        side=side,
        words=words.strip()[:LONGEST_WORDS],
        decided_by=by,
        decided_at=now,
    )
    row.save(force_insert=True)
    return row
