"""Subscriptions of earlier versions of a plan are moved to another version, many at a time."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import Subscription, SubscriptionChange, UpgradeItem, VersionUpgrade
from billing.refusals import RefusedError
from billing.services import upgrades
from billing.services.pauses import pause
from billing.services.plan_changes import change_plan
from billing.services.plans import import_plan
from billing.services.subscriptions import activate, end
from billing.services.upgrades import (
    begin_upgrade,
    preview_upgrade,
    try_again,
    upgradable,
    work_on,
    work_on_all,
)
from clients.models import Client, Workspace

from .lifecycles import check_timeline, invoice
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import periods_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("conversation")]

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in range(1, 4))
DAY = dt.timedelta(days=1)
NOW = JANUARY + 15 * DAY + dt.timedelta(hours=9)
"""9:00 on the 16th: 16 of 31 days are left."""


def dearer() -> dict:
    """599.00 a month with 2,000 conversations."""
    plan = starter(allowances=[allowance(included="2000")])
    plan["fees"][1]["amount"] = "599"
    return plan


@pytest.fixture
def spaces(acme: Client) -> list[Workspace]:
    """Four workspaces of Acme's on the first version since 1 January, their fees invoiced."""
    version = import_plan(agency=acme.agency, document=starter(), now=JANUARY)
    found = []
    for number in range(4):
        workspace = Workspace.objects.create(
            agency=acme.agency, client=acme, slug=f"desk-{number}", name=f"Desk {number}"
        )
        activate(workspace=workspace, plan_version=version, start=JANUARY, now=JANUARY)
        found.append(workspace)
    return found


@pytest.fixture
def second(spaces, acme):
    """The version that they are to be moved to."""
    return import_plan(agency=acme.agency, document=dearer(), now=NOW)


def begin(version, when="now", **more) -> VersionUpgrade:
    said = {"now": NOW, "key": "one", **more}
    return begin_upgrade(version=version, when=when, **said)


def on(version) -> list[str]:
    rows = Subscription.objects.running(NOW).filter(plan_version=version)
    return sorted(rows.values_list("workspace__slug", flat=True))


def states(upgrade) -> list[str]:
    return list(upgrade.items.order_by("pk").values_list("state", flat=True))


class TestMoving:
    def test_all_of_them_now(self, spaces, second, platform, proved):
        """499.00 invoiced; 499 x 16/31 = 257.55 back, 599 x 16/31 = 309.16 asked."""
        invoice(JANUARY)
        upgrade = begin(second, reason="New terms")

        assert work_on(upgrade=upgrade, now=NOW) == 4

        assert on(second) == ["desk-0", "desk-1", "desk-2", "desk-3"]
        upgrade.refresh_from_db()
        assert upgrade.finished_at == NOW
        item = upgrade.items.select_related("following").first()
        assert (item.state, item.following.plan_version) == ("moved", second)
        change = SubscriptionChange.objects.filter(kind="upgraded").first()
        assert (change.reason, change.to_version) == ("New terms", second)
        amounts = [str(row.amount) for row in spaces[0].periods.order_by("start")[1].charges.all()]
        assert amounts == ["309.1600"]
        check_timeline(spaces[0])

    def test_some_of_them_with_the_next_period(self, spaces, second):
        chosen = spaces[0].subscriptions.get()
        upgrade = begin(second, "period_end", subscription_ids=[chosen.pk])

        work_on(upgrade=upgrade, now=NOW)

        assert on(second) == []
        assert periods_of(spaces[0])[1].plan_version == second
        assert periods_of(spaces[0])[1].start == FEBRUARY
        assert periods_of(spaces[1])[1].plan_version != second

    def test_interrupted_it_is_gone_on_with_and_nothing_is_moved_twice(
        self, spaces, second, monkeypatch
    ):
        upgrade = begin(second)
        moved: Any = change_plan
        calls: list[int] = []

        def killed(**said):
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append(1)
            return moved(**said)

        monkeypatch.setattr(upgrades, "change_plan", killed)
        with pytest.raises(KeyboardInterrupt):
            work_on(upgrade=upgrade, now=NOW)
        assert states(upgrade) == ["moved", "moved", "waiting", "waiting"]

        monkeypatch.setattr(upgrades, "change_plan", moved)
        assert work_on_all(now=NOW, limit=1) == 1
        assert work_on_all(now=NOW, limit=100) == 1
        assert work_on_all(now=NOW, limit=100) == 0

        assert SubscriptionChange.objects.filter(kind="upgraded").count() == 4

    def test_progress_is_told(self, spaces, second):
        told: list[tuple[int, int]] = []
        work_on(upgrade=begin(second), now=NOW, progress=lambda *said: told.append(said))
        assert told[-1] == (4, 4)


class TestRefusals:
    def test_what_cannot_be_moved_is_named_and_holds_up_no_other(
        self, spaces, second, acme, monkeypatch
    ):
        other = import_plan(agency=acme.agency, document=starter(name="Other"), now=NOW)
        planned = spaces[1].subscriptions.get()
        change_plan(subscription=planned, plan_version=other, when="period_end", now=NOW)
        real: Any = change_plan

        def broken(**said):
            if said["subscription"].workspace_id == spaces[2].pk:
                raise RuntimeError("out of paper")
            return real(**said)

        monkeypatch.setattr(upgrades, "change_plan", broken)
        upgrade = begin(second)
        work_on(upgrade=upgrade, now=NOW)

        assert states(upgrade) == ["moved", "refused", "failed", "moved"]
        words = list(upgrade.items.exclude(state="moved").values_list("words", flat=True))
        assert "It goes on as Other v1 from 2026-02-01" in words[0]
        assert words[1] == "RuntimeError: out of paper"

        monkeypatch.setattr(upgrades, "change_plan", real)
        assert try_again(upgrade=upgrade) == 2
        work_on(upgrade=upgrade, now=NOW)
        assert states(upgrade) == ["moved", "refused", "moved", "moved"]

    def test_a_planned_resumption_is_not_overruled(self, spaces, second):
        paused = spaces[0].subscriptions.get()
        pause(subscription=paused, at=NOW + DAY, until=NOW + 9 * DAY, now=NOW)

        found = preview_upgrade(version=second, subscriptions=[paused], when="now", now=NOW)

        assert "goes on as Support Starter v1" in found[0].refusal

    def test_a_planned_pause_stays_planned(self, spaces, second):
        paused = spaces[0].subscriptions.get()
        pause(subscription=paused, at=FEBRUARY, now=NOW)

        work_on(upgrade=begin(second), now=NOW)

        following = spaces[0].subscriptions.get(plan_version=second)
        assert (following.end, following.end_reason) == (FEBRUARY, "paused")

    def test_a_draft_and_nobody_at_all(self, spaces, second):
        second.published_at = None
        with pytest.raises(RefusedError, match="is a draft"):
            begin(second)
        second.refresh_from_db()
        work_on(upgrade=begin(second), now=NOW)
        with pytest.raises(RefusedError, match="Nobody is on an earlier version"):
            begin(second, key="two")

    def test_whoever_is_not_on_an_earlier_version(self, spaces, second, acme):
        other = import_plan(agency=acme.agency, document=starter(name="Other"), now=NOW)
        end(subscription=spaces[3].subscriptions.get(), end=NOW + DAY, now=NOW)
        made = activate(workspace=spaces[3], plan_version=other, start=NOW + DAY, now=NOW)
        with pytest.raises(RefusedError, match="1 of the chosen ones"):
            begin(second, subscription_ids=[made.pk])

    def test_the_same_key_is_the_same_upgrade(self, spaces, second):
        assert begin(second) == begin(second)
        assert UpgradeItem.objects.count() == 4


def test_a_preview_says_what_each_comes_to_and_changes_nothing(
    spaces, second, platform, row_counts
):
    invoice(JANUARY)
    before = row_counts()

    found = preview_upgrade(
        version=second, subscriptions=list(upgradable(second, now=NOW)), when="now", now=NOW
    )

    # 309.16 - 257.55 for January, and 100.00 more for February.
    assert [str(each.total) for each in found] == ["151.6100"] * 4
    assert row_counts() == before


class TestTheCommand:
    def test_says_what_it_would_do_and_does_it(self, spaces, second):
        now = NOW

        def run(*words: str) -> str:
            out = StringIO()
            call_command("upgrade_subscriptions", "northwind/support-starter", *words, stdout=out)
            return out.getvalue()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("django.utils.timezone.now", lambda: now)
            said = run("--dry-run", "--when", "now")
            assert "desk-3" in said
            assert "Nothing was changed." in said
            assert on(second) == []
            assert "1 of 1 moved" in run("--workspace", "desk-2", "--when", "now")
            assert on(second) == ["desk-2"]
            with pytest.raises(CommandError, match="On no earlier version"):
                run("--workspace", "desk-2")
            assert "3 of 3 moved" in run("--when", "now")
            assert "Nobody is on an earlier version" in run()
