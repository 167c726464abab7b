"""A client in the middle of its first period, by the clock that the pages go by."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from agencyportal.core.periods import quarter_floor
from billing.models import (
    BillingPeriod,
    Invoice,
    InvoiceDocument,
    TopUpBand,
    TopUpRequest,
)
from billing.services.document_files import sha256, store_document
from billing.services.invoicing import draft_invoices, issue_invoice
from billing.services.requests import ask_for_top_up
from clients.models import Agency, AgencyMember, Client, Platform, UsageUnit, User, Workspace
from tests.billing.story import subscribe, use

PLAN: dict[str, Any] = {
    "name": "Support Starter",
    "currency": "USD",
    "interval": "month",
    "fees": [{"name": "Base package", "kind": "base", "amount": "49.00", "when": "period"}],
    "allowances": [
        {
            "unit": "conversation",
            "included": "100",
            "prorate": False,
            "overage": {"policy": "bill", "pricing": {"model": "per_unit", "unit_amount": "0.25"}},
        }
    ],
    "top_ups": [
        {
            "unit": "conversation",
            "name": "Fifty more",
            "quantity": "50",
            "price": "10.00",
            "expires": "never",
        }
    ],
}


@dataclass
class Story:
    """What the tests of the admin are about."""

    workspace: Workspace
    unit: UsageUnit
    invoice: Invoice
    period: BillingPeriod
    request: TopUpRequest
    band: TopUpBand

    @property
    def client(self) -> Client:
        return self.workspace.client


@pytest.fixture
def story(acme_support: Workspace, conversation: UsageUnit, client_viewer: User) -> Story:
    """Acme is on a package for three days, has used 90 of 100, owes its first fee, and asks for
    more."""
    moment = timezone.now()
    start = quarter_floor(moment - dt.timedelta(days=3))
    subscribe(acme_support, PLAN, start)
    use(acme_support, conversation, quarter_floor(moment - dt.timedelta(days=1)), 90)
    (draft,) = draft_invoices(now=moment)
    invoice = issue_invoice(invoice=draft, now=moment)
    band = TopUpBand.objects.get()
    asked = ask_for_top_up(
        workspace=acme_support, band=band, requested_by=client_viewer, now=moment, note="Please"
    )
    period = acme_support.periods.order_by("start")[0]
    return Story(acme_support, conversation, invoice, period, asked, band)


@pytest.fixture
def rendered(story: Story) -> InvoiceDocument:
    """The story's invoice with a file."""
    document = story.invoice.document
    store_document(document.path, b"%PDF-1.7 the invoice")
    document.state = InvoiceDocument.State.RENDERED
    document.sha256 = sha256(b"%PDF-1.7 the invoice")
    document.size = 20
    document.rendered_at = timezone.now()
    document.save()
    return document


def _person(agency: Agency, role: str) -> User:
    user = User.objects.create_user(f"{role}@{agency.slug}.example", "demo-portal", is_staff=True)
    AgencyMember.objects.create(agency=agency, user=user, role=role)
    return user


@pytest.fixture
def finance(northwind: Agency) -> User:
    return _person(northwind, AgencyMember.Role.FINANCE)


@pytest.fixture
def viewer(northwind: Agency) -> User:
    return _person(northwind, AgencyMember.Role.VIEWER)


def browser_of(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def as_manager(teammate: User) -> Browser:
    return browser_of(teammate)


@pytest.fixture
def as_owner(owner: User) -> Browser:
    return browser_of(owner)


@pytest.fixture
def as_finance(finance: User) -> Browser:
    return browser_of(finance)


@pytest.fixture
def as_viewer(viewer: User) -> Browser:
    return browser_of(viewer)


@pytest.fixture
def as_outsider(outsider: User) -> Browser:
    return browser_of(outsider)


@pytest.fixture
def as_operator(operator: User, platform: Platform) -> Browser:
    return browser_of(operator)


@pytest.fixture
def as_client_admin(client_admin: User) -> Browser:
    return browser_of(client_admin)
