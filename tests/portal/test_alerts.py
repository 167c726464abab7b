"""What a client sees of alerts, marks as read, and sets for itself."""

from __future__ import annotations

import pytest

from billing.models import Alert, AlertRule
from billing.services.alerts import check_alerts
from clients.models import UsageWindow

from .conftest import NOON
from .pages import text_of


@pytest.fixture
def told(story, northwind):
    """850 of 1,000 are used: 80 % is told to both sides."""
    AlertRule.objects.create(agency=northwind, levels=["80", "100"])
    UsageWindow.objects.update(watched=None)
    assert check_alerts(now=NOON) == 1
    return Alert.objects.get()


def test_new_alerts_are_marked_until_they_are_read(told, story, admin, viewer):
    assert "Alerts 1 new" in text_of(admin.get(story.url()))
    assert "Mark all as read" in text_of(admin.get(story.url("alerts/")))

    answer = admin.post(story.url("alerts/read/"), {"up_to": str(told.pk)})
    assert answer.status_code == 302
    assert "Mark all as read" not in text_of(admin.get(story.url("alerts/")))
    assert "Alerts 1 new" in text_of(viewer.get(story.url()))  # for others they are new


@pytest.mark.parametrize("up_to", ["", "x", "999999999", "9" * 30, "-1"])
def test_what_is_no_alert_reads_nothing(told, story, admin, up_to):
    admin.post(story.url("alerts/read/"), {"up_to": up_to})

    assert "Alerts 1 new" in text_of(admin.get(story.url()))


def test_what_the_agency_alone_is_told_is_not_shown(story, admin, northwind):
    AlertRule.objects.create(agency=northwind, levels=["80"], tells_client=False)
    UsageWindow.objects.update(watched=None)
    check_alerts(now=NOON)

    assert Alert.objects.exists()
    assert "None so far." in text_of(admin.get(story.url("alerts/")))


SAID = {
    "percent_mode": "own",
    "percent_levels": "90, 50 %",
    "forecast_mode": "off",
    "money_mode": "own",
    "money_levels": "100",
}


def own_rules() -> dict[str, list[str]]:
    rules = AlertRule.objects.filter(is_clients=True, is_active=True)
    return {rule.kind: rule.levels for rule in rules}


def test_an_admin_sets_what_the_client_is_told(story, admin):
    refused = admin.post(story.url("alerts/own/"), SAID)
    assert "Each of them once, the lowest first." in text_of(refused)
    assert own_rules() == {}

    admin.post(story.url("alerts/own/"), SAID | {"percent_levels": "50, 90 %"})
    assert own_rules() == {"percent": ["50", "90"], "forecast": [], "money": ["100"]}
    text = text_of(admin.get(story.url("alerts/")))
    assert "At 50% and 90% of what each workspace can use in a period" in text
    assert "At $100.00 that each workspace spent beyond its fees in a period" in text

    admin.post(
        story.url("alerts/own/"),
        {"percent_mode": "agency", "forecast_mode": "agency", "money_mode": "agency"},
    )
    assert own_rules() == {}


def test_what_is_no_level_is_refused_at_its_field(story, admin):
    answer = admin.post(story.url("alerts/own/"), SAID | {"percent_levels": "eighty"})

    assert "Whole percents from 1 to 1000" in text_of(answer)
    assert own_rules() == {}


def test_viewers_set_nothing(story, viewer):
    assert "What you want to be told" not in text_of(viewer.get(story.url("alerts/")))
    assert viewer.post(story.url("alerts/own/"), SAID).status_code == 403
    assert own_rules() == {}
