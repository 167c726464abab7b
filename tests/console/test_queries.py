"""Pages ask the database as often for many rows as for few."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib import admin
from django.db import connection, models
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.models import CreditGrant, Mail, TopUpRequest
from billing.services.payments import record_payment
from billing.services.purchases import buy_on_account
from clients.models import Client, UsageWindow, Workspace
from clients.services.keys import create_key
from tests.billing.ledger import issued
from tests.console.conftest import Story


def asked(browser: Browser, path: str) -> int:
    browser.get(path)  # content types and the like are remembered
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)


def grow(story: Story, number: int) -> None:
    """One more of nearly everything, for a client of its own."""
    moment = timezone.now()
    client = Client.objects.create(
        agency=story.workspace.agency, slug=f"c{number}", name=f"C{number}", email="c@c.example"
    )
    client.members.create(user=story.request.requested_by, role="viewer")
    space = Workspace.objects.create(
        agency=client.agency, client=client, slug=f"w{number}", name=f"W{number}"
    )
    invoice = issued(space, now=moment)
    create_key(workspace=space, name="k", scopes=["events"], now=moment)
    UsageWindow.objects.create(
        workspace=space,
        unit=story.unit,
        start=moment - dt.timedelta(days=1),
        end=moment + dt.timedelta(days=1),
        used=9,
    )
    CreditGrant.objects.create(
        agency=client.agency,
        workspace=space,
        unit=story.unit,
        kind="adjustment",
        quantity=10,
        priority=30,
        effective_at=moment - dt.timedelta(days=1),
        reason="r",
        key=f"grant {number}",
    )
    TopUpRequest.objects.create(
        agency=client.agency,
        workspace=space,
        band=story.band,
        requested_by=story.request.requested_by,
        requested_at=moment,
    )
    record_payment(
        invoice=invoice,
        amount=invoice.total,
        currency="USD",
        method="other",
        reference="r",
        received_at=moment,
        now=moment,
        key=f"p{number}",
    )
    buy_on_account(workspace=story.workspace, band=story.band, now=moment, key=f"b{number}")
    Mail.objects.filter(key=f"invoice:{invoice.number}").update(state="failed", error="e")


@pytest.fixture
def paths() -> dict[str, str]:
    lists = {
        model._meta.label: reverse(
            f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        )
        for model in admin.site._registry
    }
    return {"home": reverse("admin:index"), **lists}


def test_lists_and_the_home_page_do_not_ask_for_each_row(
    story: Story, as_operator: Browser, paths: dict[str, str]
) -> None:
    grow(story, 1)
    grow(story, 2)
    few = {name: asked(as_operator, path) for name, path in paths.items()}
    rows = _rows()

    for number in range(3, 7):
        grow(story, number)

    many = {name: asked(as_operator, path) for name, path in paths.items()}
    assert many == few
    assert sum(1 for label, count in _rows().items() if count > rows[label]) >= 12


def _rows() -> dict[str, int]:
    return {model._meta.label: _count(model) for model in admin.site._registry}


def _count(model: type[models.Model]) -> int:
    return model._default_manager.count()


def test_tabs_do_not_ask_for_each_row(story: Story, as_operator: Browser) -> None:
    grow(story, 1)
    path = reverse("admin:clients_workspace_change", args=(story.workspace.pk,))
    few = asked(as_operator, path)

    for number in range(2, 6):
        grow(story, number)

    assert asked(as_operator, path) == few
