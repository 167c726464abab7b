"""Trials in the admin: given on activation, moved, converted, and looked at before they end."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import Subscription, SubscriptionChange, TopUpPurchase
from billing.services.subscriptions import activate
from clients.models import Workspace

from .conftest import Story
from .test_dialogs import KEY, form_of, hidden
from .test_home import figures
from .test_lifecycle import ask, confirm, subscription_of, today


@pytest.fixture
def on_trial(story: Story, acme_docs: Workspace) -> Subscription:
    """Acme's other workspace, on trial for five days from today."""
    moment = timezone.now()
    return activate(
        workspace=acme_docs,
        plan_version=subscription_of(story).plan_version,
        start=moment,
        trial_days=5,
        now=moment,
    )


def path_to(subscription: Subscription, what: str) -> str:
    return f"/admin/billing/subscription/{subscription.pk}/{what}/"


def test_a_workspace_begins_with_a_trial(
    story: Story, acme_docs: Workspace, as_manager: Browser
) -> None:
    path = f"/admin/clients/workspace/{acme_docs.pk}/subscribe/"
    version = subscription_of(story).plan_version
    said = {"plan_version": str(version.pk), "start": today(story), "trial_days": "14"}

    asked = ask(as_manager, path, **said)
    shown = dict(asked.context["preview"])
    assert "until" in shown["On trial"]
    assert shown["Base package"].startswith("$49.00, due")
    confirm(as_manager, path, asked, **said)

    made = acme_docs.subscriptions.get()
    assert made.trial_until is not None
    assert made.trial_until - made.start > dt.timedelta(days=13)


def test_it_is_moved_and_converted(
    on_trial: Subscription, story: Story, as_manager: Browser
) -> None:
    path, said = path_to(on_trial, "move-trial-end"), {"last_day": today(story, 9)}
    asked = ask(as_manager, path, **said)
    assert "not invoiced yet and taken back" in str(asked.context["preview"])
    confirm(as_manager, path, asked, **said)
    assert on_trial.changes.get(kind="trial_moved").in_trial

    path = path_to(on_trial, "convert-trial")
    confirm(as_manager, path, ask(as_manager, path))

    on_trial.refresh_from_db()
    assert on_trial.charged_from <= timezone.now()
    assert "is not on trial" in as_manager.get(path).context["why_not"]


def test_the_agency_sees_which_end_soon(
    on_trial: Subscription, as_manager: Browser, as_outsider: Browser
) -> None:
    assert figures(as_manager)["Trials ending"] == "1"
    assert "Trials ending" not in figures(as_outsider)

    for name in ("running", "ending"):
        page = as_manager.get("/admin/billing/subscription/", {"trial": name})
        assert page.context["cl"].result_count == 1
    panel = as_manager.get(f"/admin/clients/workspace/{on_trial.workspace_id}/change/")
    assert "on trial until" in panel.content.decode()


@pytest.mark.parametrize("what", ["move-trial-end", "convert-trial"])
def test_it_is_shut_to_others(
    on_trial: Subscription,
    story: Story,
    what: str,
    as_outsider: Browser,
    as_viewer: Browser,
    as_finance: Browser,
) -> None:
    path, before = path_to(on_trial, what), SubscriptionChange.objects.count()
    said: dict[str, Any] = {"key": KEY, "last_day": today(story, 9)}
    for browser, status in ((as_outsider, 404), (as_viewer, 403), (as_finance, 403)):
        assert browser.get(path).status_code == status
        assert browser.post(path, said).status_code == status
    assert SubscriptionChange.objects.count() == before


def test_a_top_up_may_start_with_the_next_period(story: Story, as_manager: Browser) -> None:
    path = f"/admin/clients/workspace/{story.workspace.pk}/top-up/"
    said = {"band": f"{story.workspace.pk}:{story.band.pk}", "starts": "next_period"}

    page = as_manager.post(path, {**hidden(form_of(as_manager, path)), **said}, follow=True)

    assert "usable from" in page.content.decode()
    purchase = TopUpPurchase.objects.get()
    assert purchase.starts_at == story.period.end
