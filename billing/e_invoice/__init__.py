"""Invoices and credit notes as EN 16931 wants them: a snapshot as Cross Industry Invoice XML.

The profile is "EN 16931" of Factur-X and ZUGFeRD, the one that says neither more nor less than the
norm. Pure: the same bytes for the same snapshot, without Django, clock or database.
"""

from __future__ import annotations

from billing.e_invoice.gaps import gaps
from billing.e_invoice.message import PROFILE, EInvoiceError, e_invoice_xml

__all__ = ["PROFILE", "EInvoiceError", "e_invoice_xml", "gaps"]
