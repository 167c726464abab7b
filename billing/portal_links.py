"""Addresses of the portal's pages, as documents, messages and refusals name them."""

from __future__ import annotations

from django.conf import settings

from billing.models import Invoice


def page_of_invoice(invoice: Invoice) -> str:
    """Where a client sees an invoice and how to pay it."""
    return f"{settings.PORTAL_BASE_URL}/portal/{invoice.client_id}/invoices/{invoice.pk}/"
