"""The usage page: exact figures, plain words, and what to do before it hurts."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Alert, AlertCrossing, AlertRule
from billing.services.purchases import buy_on_account
from clients.models import UsageWindow
from tests.billing.plan_samples import allowance, starter
from tests.billing.story import subscribe

from .conftest import MARCH, NOON, record
from .pages import text_of


def at(day: int, hour: int = 15) -> dt.datetime:
    return dt.datetime(2026, 3, day, hour, tzinfo=dt.UTC)


@pytest.fixture
def page(story, admin):
    return lambda: text_of(admin.get(story.url()))


def test_says_what_is_left_and_when_it_resets(page):
    text = page()
    assert "150 conversations left" in text
    assert "Included 1,000 Top-ups 0 Used 850" in text
    assert "850 of 1,000 conversations used, 85%" in text
    assert "Resets on April 1, 2026, in 22 days." in text
    assert "Mar 1 – 31, 2026" in text


def test_says_what_happens_beyond(page):
    assert "the service goes on: $0.10 for each further conversation." in page()


def test_never_speaks_of_tokens(page):
    assert "token" not in page().lower()


def test_names_what_used_it_with_its_share(page):
    assert "orders 500 59%" in page()
    assert "returns 350 41%" in page()


def test_warns_when_near_and_names_the_band_that_is_enough(page):
    """850 in 9.3 days is 1,972 more by the end: Growth 500 would not do."""
    text = page()
    assert "Acme support chat: 150 conversations left" in text
    assert "Our suggestion: Volume 5,000, 5,000 conversations for $450.00." in text


def test_is_calm_while_there_is_plenty(page, story):
    buy_on_account(workspace=story.workspace, band=story.volume, now=NOON, key="plenty")
    text = page()
    assert "5,150 conversations left" in text
    assert "Included 1,000 Top-ups 5,000 Used 850" in text
    assert "Our suggestion" not in text


def test_says_when_everything_is_used_up(page, story):
    record(story.workspace, "late night", 200, at(10, 10))
    text = page()
    assert "Acme support chat: all conversations are used up" in text
    assert "0 conversations left" in text
    assert "Beyond 50" in text
    assert "1,050 of 1,000 conversations used, 105%" in text


def test_the_table_beneath_the_chart_has_every_day_until_today(page, story):
    buy_on_account(workspace=story.workspace, band=story.growth, now=at(9), key="some")
    record(story.workspace, "more", 300, at(9, 20))
    text = page()
    assert "Mon, Mar 9 650 150 from top-ups" in text
    assert "Tue, Mar 3 500" in text
    assert "Tue, Mar 10 0" in text
    assert "Wed, Mar 11" not in text


def test_the_chart_has_a_bar_for_each_day_and_a_pace(story, admin):
    body = admin.get(story.url()).content.decode()
    chart = body.partition('<svg class="chart"')[2].partition("</svg>")[0]
    assert chart.count("<title>") == 2
    assert "<title>Tue, Mar 3: 500 conversations</title>" in chart
    assert 'class="c-pace"' in chart
    assert "Even pace: 32.3 a day" in text_of(admin.get(story.url()))


def test_failed_and_repeated_calls_are_shown_apart(page, story):
    record(story.workspace, "returns", 1, at(9, 16), status="error")
    record(story.workspace, "returns", 1, at(9, 17), attempts=3)
    text = page()
    assert "851 of 1,000" in text
    assert "Behind these figures are 4 requests. 25.0% of them failed" in text
    assert "50.0% were tried again" in text


def test_what_is_held_is_not_left(page, story):
    UsageWindow.objects.filter(workspace=story.workspace, start=MARCH).update(reserved=30)
    text = page()
    assert "120 conversations left" in text
    assert "Held for work in progress 30" in text


def test_recent_alerts_are_on_the_page(page, story, conversation):
    period = story.workspace.periods.get(start=MARCH)
    rule = AlertRule.objects.create(agency=story.client.agency, levels=["50", "80"])
    alert = Alert.objects.create(
        agency=story.client.agency,
        workspace=story.workspace,
        unit=conversation,
        period=period,
        rule=rule,
        used=850,
        entitled=1000,
        measured=850,
        against=1000,
        arming=0,
        noticed_at=at(9),
    )
    for percent in (50, 80):
        AlertCrossing.objects.create(
            alert=alert, rule=rule, period=period, unit=conversation, level=percent, arming=0
        )
    text = page()
    assert "50% and 80% of 1,000 conversations" in text
    assert "Mar 9, 2026, 11:00 AM" in text


def test_viewers_are_offered_to_ask(story, viewer):
    text = text_of(viewer.get(story.url()))
    assert "Ask for it Growth 500" in text
    assert "Buy" not in text


def test_a_workspace_without_a_package_says_so(acme_support, admin):
    text = text_of(admin.get(f"/portal/{acme_support.client_id}/"))
    assert "No package is running here now. Northwind sets one up for you." in text


def test_a_client_without_workspaces_says_so(acme, admin):
    text = text_of(admin.get(f"/portal/{acme.pk}/"))
    assert "Nothing to count yet" in text
    assert "None so far." in text


def test_writes_as_the_client_does(
    cedar, cedar_support, harbor_conversation, browse, django_user_model
):
    plan = starter(
        currency="EUR",
        timezone="Europe/Berlin",
        top_ups=[],
        fees=[],
        allowances=[allowance(included="2000", overage={"policy": "block"})],
    )
    subscribe(cedar_support, plan, dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC))
    record(cedar_support, "", 1234, at(9))
    user = django_user_model.objects.create_user("admin@cedar.example")
    cedar.members.create(user=user, role="admin")
    text = text_of(browse(user).get(f"/portal/{cedar.pk}/"))
    assert "1.234 of 2.000 conversations used, 62 %" in text
    assert "Resets on 1 April 2026, in 22 days." in text
    assert "the service pauses until it resets or a top-up is bought" in text
    assert "Dates and times are those of Berlin" in text
    assert "Not labelled 1.234 100 %" in text


def test_queries_do_not_grow_with_rows(story, admin):
    with CaptureQueriesContext(connection) as few:
        admin.get(story.url())
    for number in range(6):
        record(story.workspace, f"label {number}", 3, at(4 + number))
        buy_on_account(workspace=story.workspace, band=story.growth, now=at(9), key=f"buy {number}")
    with CaptureQueriesContext(connection) as many:
        admin.get(story.url())
    assert len(many) == len(few)
