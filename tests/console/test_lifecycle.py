"""What an account manager does to subscriptions: shown first, done once, shut to others."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from agencyportal.core.periods import local_date
from billing.models import Charge, Subscription, SubscriptionChange
from billing.services.plans import import_plan
from clients.models import Client, Workspace

from .conftest import PLAN, Story
from .test_dialogs import KEY, errors, form_of, hidden

DAY = dt.timedelta(days=1)


def subscription_of(story: Story) -> Subscription:
    return Subscription.objects.get(workspace=story.workspace, end=None)


def path_of(story: Story, what: str) -> str:
    subscription = Subscription.objects.filter(workspace=story.workspace).earliest("start")
    return f"/admin/billing/subscription/{subscription.pk}/{what}/"


def today(story: Story, days: int = 0) -> str:
    return f"{local_date(timezone.now() + days * DAY, story.client.timezone):%Y-%m-%d}"


def growth(story: Story) -> Any:
    plan = {**PLAN, "name": "Growth", "allowances": [{**PLAN["allowances"][0], "included": "500"}]}
    return import_plan(agency=story.workspace.agency, document=plan, now=timezone.now())


def ask(browser: Browser, path: str, **said: Any) -> Any:
    """The first answer: what it comes to."""
    return browser.post(path, {**hidden(form_of(browser, path)), **said})


def confirm(browser: Browser, path: str, asked: Any, **said: Any) -> Any:
    return browser.post(path, {**hidden(asked.context["form"]), **said})


def test_a_change_of_plan_is_shown_and_then_done_once(story: Story, as_manager: Browser) -> None:
    version, path = growth(story), path_of(story, "change-plan")
    said = {"plan_version": str(version.pk), "when": "now"}
    charges = Charge.objects.count()

    asked = ask(as_manager, path, **said)

    shown = dict(asked.context["preview"])
    assert shown["Conversations left now"] == "500"
    assert "Credit: Base package" in shown
    assert Charge.objects.count() == charges
    assert not SubscriptionChange.objects.filter(kind="plan_changed").exists()

    first = confirm(as_manager, path, asked, **said)
    again = confirm(as_manager, path, asked, **said)

    assert (first.status_code, again.status_code) == (302, 302)
    assert SubscriptionChange.objects.filter(kind="plan_changed").count() == 1
    assert subscription_of(story).plan_version == version


def test_other_answers_than_were_shown_are_shown_first(story: Story, as_manager: Browser) -> None:
    version, path = growth(story), path_of(story, "change-plan")
    asked = ask(as_manager, path, plan_version=str(version.pk), when="now")

    other = confirm(as_manager, path, asked, plan_version=str(version.pk), when="period_end")

    assert other.status_code == 200
    assert other.context["preview"]
    assert not SubscriptionChange.objects.filter(kind="plan_changed").exists()


def test_ended_and_kept_after_all(story: Story, teammate: Any, as_manager: Browser) -> None:
    path, said = path_of(story, "end"), {"last": today(story, 2), "reason": "They leave"}

    confirm(as_manager, path, ask(as_manager, path, **said), **said)

    change = SubscriptionChange.objects.filter(kind="ended").get()
    assert (change.made_by, change.reason) == (teammate, "They leave")
    ended = Subscription.objects.get()
    assert ended.end is not None
    assert f"{local_date(ended.end, ended.timezone):%Y-%m-%d}" == today(story, 3)

    path = path_of(story, "keep")
    confirm(as_manager, path, ask(as_manager, path))
    assert Subscription.objects.get().end is None


def test_paused_and_resumed(story: Story, as_manager: Browser) -> None:
    path, said = path_of(story, "pause"), {"first": today(story, 1)}
    confirm(as_manager, path, ask(as_manager, path, **said), **said)
    assert Subscription.objects.get().end_reason == "paused"

    path, said = path_of(story, "resume"), {"first": today(story, 5)}
    confirm(as_manager, path, ask(as_manager, path, **said), **said)

    assert subscription_of(story).continues is not None


def test_a_day_that_is_closed_or_gone_is_refused_in_words(
    story: Story, as_manager: Browser
) -> None:
    refused = ask(as_manager, path_of(story, "end"), last="2020-01-01")
    assert "must end after it starts" in str(errors(refused))

    path = path_of(story, "resume")
    assert "not in a state for this" in as_manager.get(path).context["why_not"]
    refused = as_manager.post(path, {"key": KEY, "first": today(story)})
    assert "is not paused" in str(errors(refused))


@pytest.mark.parametrize(("what", "field"), [("end", "last"), ("pause", "first")])
def test_the_calendars_last_day_is_refused_at_its_field(
    story: Story, as_manager: Browser, what: str, field: str
) -> None:
    """It ends after the last instant there is."""
    refused = ask(as_manager, path_of(story, what), **{field: "9999-12-31"})

    assert list(errors(refused)) == [field]
    assert not SubscriptionChange.objects.filter(kind__in=("ended", "paused")).exists()


def test_a_workspace_is_put_on_a_package(
    story: Story, acme_docs: Workspace, as_manager: Browser
) -> None:
    path = f"/admin/clients/workspace/{acme_docs.pk}/subscribe/"
    version = subscription_of(story).plan_version
    said = {"plan_version": str(version.pk), "start": today(story)}

    asked = ask(as_manager, path, **said)
    assert dict(asked.context["preview"])["Conversations left now"] == "100"
    assert not acme_docs.subscriptions.exists()
    confirm(as_manager, path, asked, **said)

    assert acme_docs.subscriptions.get().plan_version == version


def test_a_client_moves_to_another_zone(story: Story, as_manager: Browser) -> None:
    path = f"/admin/clients/client/{story.client.pk}/timezone/"
    said = {**hidden(form_of(as_manager, path)), "timezone": "Asia/Tokyo"}

    assert as_manager.post(path, said).status_code == 302

    assert Client.objects.get(pk=story.client.pk).timezone == "Asia/Tokyo"
    assert subscription_of(story).timezone == "Asia/Tokyo"


@pytest.mark.parametrize("what", ["change-plan", "pause", "resume", "end", "keep"])
def test_it_is_shut_to_others(
    story: Story,
    what: str,
    as_outsider: Browser,
    as_viewer: Browser,
    as_finance: Browser,
) -> None:
    path, before = path_of(story, what), SubscriptionChange.objects.count()
    for browser, status in ((as_outsider, 404), (as_viewer, 403), (as_finance, 403)):
        assert browser.get(path).status_code == status
        assert browser.post(path, {"key": KEY, "last": today(story, 1)}).status_code == status
    assert SubscriptionChange.objects.count() == before


def test_the_history_stands_on_its_page(story: Story, as_manager: Browser) -> None:
    page = as_manager.get(f"/admin/billing/subscription/{subscription_of(story).pk}/change/")

    assert "Activated" in page.content.decode()
    assert Charge.objects.filter(amount=Decimal("49.00")).exists()
