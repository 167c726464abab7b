"""A real browser on a live server: the system's Chromium, driven by Playwright.

Without a Chromium these tests are skipped; with REQUIRE_BROWSER set they fail instead, so that
they cannot be left out where they must run.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from agencyportal.core.periods import local_date, local_day_start
from billing.models import AlertRule, Invoice, TopUpBand
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_invoice
from billing.services.rendering import render_due_documents
from clients.models import Client, UsageUnit, User, Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.conftest import documents
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe

__all__ = ["documents"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "demo-portal"
PATIENCE_MS = 15_000
"""How long to wait for what should be there at once: the machine may be busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set, and there is no Chromium: apt install chromium")
        pytest.skip("needs Chromium: apt install chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, where tests look into the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def refused_by_policy() -> list[str]:
    """What browsers said about the content security policy of client pages."""
    return []


@pytest.fixture
def context(
    chromium: Browser, live_server: Any, refused_by_policy: list[str]
) -> Iterator[BrowserContext]:
    """A fresh browser. Whatever a client's page tries that its policy forbids fails the test."""
    opened = chromium.new_context(base_url=live_server.url, locale="en-US")
    opened.set_default_timeout(PATIENCE_MS)

    def listen(message: ConsoleMessage) -> None:
        where = message.page.url if message.page else ""
        if "Content Security Policy" in message.text and "/admin/" not in where:
            refused_by_policy.append(f"{where}: {message.text}")

    opened.on("console", listen)
    yield opened
    opened.close()
    assert refused_by_policy == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


SignIn = Callable[[User], None]


@pytest.fixture
def sign_in(page: Page) -> SignIn:
    """Through the page that people see."""

    def signed_in(user: User) -> None:
        page.context.clear_cookies()
        page.goto("/")
        page.locator("input[type=email]").fill(user.email)
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/accounts/" not in url)

    return signed_in


@dataclass(frozen=True)
class House:
    """Acme's support chat this month: 900 of 1,000 conversations used, its fees invoiced."""

    client: Client
    workspace: Workspace
    invoice: Invoice
    growth: TopUpBand


@pytest.fixture
def house(
    transactional_db: None,
    operator: User,
    acme_support: Workspace,
    conversation: UsageUnit,
    documents: Any,
) -> House:
    now = timezone.now()
    client = acme_support.client
    today = local_date(now, client.timezone)
    start = local_day_start(today.replace(day=1), client.timezone)
    subscription = subscribe(acme_support, starter(), start)
    (draft,) = draft_invoices(now=start)
    invoice = issue_invoice(invoice=draft, now=start)
    assert render_due_documents(now=now) == 1
    used = SubmittedEvent(
        id="used",
        unit="conversation",
        quantity=Decimal(900),
        time=now - dt.timedelta(seconds=1),
        label="orders",
    )
    record_events(workspace=acme_support, events=[used], now=now)
    AlertRule.objects.create(agency=client.agency, levels=["80", "100"])
    return House(client, acme_support, invoice, subscription.plan_version.top_ups.get())
