"""Figures open into what consumed them, with its cost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import CreditGrant
from clients.models import UsageWindow
from clients.services.recording import SubmittedEvent, record_events
from tests.portal.pages import text_of


@pytest.fixture
def used(story):
    """120 conversations from two workflows on top of the 90, where 100 are included."""
    start = story.period.start
    record_events(
        workspace=story.workspace,
        events=[
            SubmittedEvent(
                id=label,
                unit=story.unit.slug,
                time=start,
                quantity=Decimal(60),
                label=label,
                run_id="r",
            )
            for label in ("orders", "returns")
        ],
        now=start,
    )
    return story


def page_of(browser, stem, row):
    return browser.get(reverse(f"admin:billing_{stem}_explain", args=(row.pk,)))


def test_a_window_opens_into_what_consumed_it(used, as_owner):
    window = UsageWindow.objects.get(workspace=used.workspace, start=used.period.start)
    url = reverse("admin:clients_usagewindow_explain", args=(window.pk,))

    text = text_of(as_owner.get(url))

    assert "Allowance" in text
    assert "Overage" in text
    assert "orders" in text
    change = reverse("admin:clients_usagewindow_change", args=(window.pk,))
    assert url in as_owner.get(change).content.decode()


def test_a_grant_opens_into_what_consumed_it(used, as_owner):
    grant = CreditGrant.objects.filter(workspace=used.workspace).order_by("pk")[0]
    assert "orders" in text_of(page_of(as_owner, "creditgrant", grant))
