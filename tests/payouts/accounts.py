"""A bank account that an agency has had for long."""

from __future__ import annotations

import datetime as dt

from clients.models import Agency
from payouts.models import BankAccount

IBAN = "DE89370400440532013000"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def give_account(agency: Agency) -> BankAccount:
    return BankAccount.objects.create(
        agency=agency,
        holder=agency.printed_name,
        country="DE",
        iban=IBAN,
        added_at=LONG_AGO,
        usable_from=LONG_AGO,
    )
