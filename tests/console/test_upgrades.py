"""An account manager moves subscriptions to a version of their package."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import PlanVersion, VersionUpgrade
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan

from .conftest import PLAN, Story
from .test_dialogs import KEY
from .test_lifecycle import ask, confirm, subscription_of


@pytest.fixture
def second(story: Story) -> PlanVersion:
    fees = [{**PLAN["fees"][0], "amount": "59.00"}]
    return import_plan(
        agency=story.workspace.agency, document={**PLAN, "fees": fees}, now=timezone.now()
    )


def path_to(version: PlanVersion) -> str:
    return f"/admin/billing/planversion/{version.pk}/upgrade/"


def test_it_is_shown_and_then_done_once(
    story: Story, second: PlanVersion, as_manager: Browser
) -> None:
    said: dict[str, Any] = {"when": "now"}

    asked = ask(as_manager, path_to(second), **said)
    shown = dict(asked.context["preview"])
    assert shown["Together"].endswith("for 1 to be moved")
    assert "conversations left" in str(shown)
    assert not VersionUpgrade.objects.exists()

    first = confirm(as_manager, path_to(second), asked, **said)
    again = confirm(as_manager, path_to(second), asked, **said)

    assert (first.status_code, again.status_code) == (302, 302)
    upgrade = VersionUpgrade.objects.get()
    assert subscription_of(story).plan_version == second
    page = as_manager.get(f"/admin/billing/versionupgrade/{upgrade.pk}/change/")
    assert "1 of 1" in page.content.decode()
    assert as_manager.get("/admin/billing/versionupgrade/").status_code == 200
    assert as_manager.get("/admin/billing/upgradeitem/").status_code == 200


def test_what_was_left_as_it_is_stands_on_its_page(
    story: Story, second: PlanVersion, as_manager: Browser
) -> None:
    other = import_plan(
        agency=story.workspace.agency, document={**PLAN, "name": "Other"}, now=timezone.now()
    )
    change_plan(
        subscription=subscription_of(story),
        plan_version=other,
        when="period_end",
        now=timezone.now(),
    )
    chosen = story.workspace.subscriptions.earliest("start")
    said = {"when": "now", "subscriptions": [str(chosen.pk)]}

    asked = ask(as_manager, path_to(second), **said)
    assert dict(asked.context["preview"])["Left as they are"] == "1"
    confirm(as_manager, path_to(second), asked, **said)

    upgrade = VersionUpgrade.objects.get()
    page = as_manager.get(f"/admin/billing/versionupgrade/{upgrade.pk}/change/")
    assert "change that one by hand" in page.content.decode()
    path = f"/admin/billing/versionupgrade/{upgrade.pk}/try-again/"
    assert as_manager.post(path, {"key": KEY}).status_code == 302
    assert upgrade.items.get().state == "refused"


def test_it_is_shut_to_others(
    story: Story,
    second: PlanVersion,
    as_outsider: Browser,
    as_viewer: Browser,
    as_finance: Browser,
) -> None:
    for browser, status in ((as_outsider, 404), (as_viewer, 403), (as_finance, 403)):
        assert browser.get(path_to(second)).status_code == status
        assert browser.post(path_to(second), {"key": KEY, "when": "now"}).status_code == status
    assert not VersionUpgrade.objects.exists()
