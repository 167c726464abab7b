"""Writes down which clients pay no tax, and from when."""

from __future__ import annotations

from django.db import transaction

from billing.models import TaxExemption
from clients.models import User


@transaction.atomic
def add_tax_exemption(*, exemption: TaxExemption, created_by: User | None) -> TaxExemption:
    """Keep a row that is not saved yet, and who wrote it; commits it.

    It rules invoices that are issued from its date on; what was issued stays. Raises
    ValidationError, by field.
    """
    exemption.created_by = created_by
    exemption.full_clean()
    exemption.save(force_insert=True)
    return exemption
