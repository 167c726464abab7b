"""The story that the portal's tests look at: Acme in the middle of March, on two packages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from billing.models import Invoice, TopUpBand
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_invoice
from billing.services.rendering import render_due_documents
from clients.models import Client, ClientMember, UsageUnit, User, Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.conftest import documents, row_counts
from tests.billing.plan_samples import NEW_YORK_2026, band, starter
from tests.billing.story import subscribe

__all__ = ["documents", "row_counts"]

MARCH = NEW_YORK_2026[3]
NOON = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
"""What the portal takes for now: Tuesday 10 March, 8:00 in New York."""


@dataclass(frozen=True)
class Story:
    client: Client
    workspace: Workspace
    growth: TopUpBand
    volume: TopUpBand
    agency_only: TopUpBand

    def url(self, path: str = "") -> str:
        return f"/portal/{self.client.pk}/{path}"

    def offer(self, band: TopUpBand, action: str = "") -> str:
        return self.url(f"top-ups/{self.workspace.pk}/{band.pk}/{action}")


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 366 * 24 * 3600  # stories move on by weeks
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)


@pytest.fixture
def browse() -> Callable[[User], Browser]:
    """A browser in which somebody is signed in."""

    def signed_in(user: User) -> Browser:
        browser = Browser()
        browser.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return browser

    return signed_in


@pytest.fixture
def admin(client_admin: User, browse: Callable[[User], Browser]) -> Browser:
    return browse(client_admin)


@pytest.fixture
def viewer(client_viewer: User, browse: Callable[[User], Browser]) -> Browser:
    return browse(client_viewer)


@pytest.fixture
def story(acme_support: Workspace, conversation: UsageUnit) -> Story:
    """Acme's support chat since 1 March: 1,000 conversations included, 850 used by the 10th."""
    bands = [
        band(),
        band("Volume 5,000", quantity="5000", price="450", expires="P90D"),
        band("By hand", quantity="100", price="10", expires="never", buyer="agency"),
    ]
    subscription = subscribe(acme_support, starter(top_ups=bands), MARCH)
    record(acme_support, "orders", 500, dt.datetime(2026, 3, 3, 15, tzinfo=dt.UTC))
    record(acme_support, "returns", 350, dt.datetime(2026, 3, 9, 15, tzinfo=dt.UTC))
    by_name = {row.name: row for row in subscription.plan_version.top_ups.all()}
    return Story(
        acme_support.client,
        acme_support,
        by_name["Growth 500"],
        by_name["Volume 5,000"],
        by_name["By hand"],
    )


def record(workspace: Workspace, label: str, quantity: int, at: dt.datetime, **more: Any) -> None:
    """Usage as a program reports it, in one event."""
    event = SubmittedEvent(
        id=f"{label} {at.isoformat()}",
        unit="conversation",
        quantity=Decimal(quantity),
        time=at,
        label=label,
        **more,
    )
    record_events(workspace=workspace, events=[event], now=max(at, NOON))


@pytest.fixture
def invoice(story: Story, documents: Path) -> Invoice:
    """The first fees, 2,999.00, issued and rendered."""
    (draft,) = draft_invoices(now=NOON)
    issued = issue_invoice(invoice=draft, now=NOON)
    assert render_due_documents(now=NOON) == 1
    return issued


@pytest.fixture
def second_client(client_viewer: User, birch: Client) -> Client:
    """Birch, where Acme's viewer looks too."""
    ClientMember.objects.create(client=birch, user=client_viewer, role=ClientMember.Role.VIEWER)
    return birch
