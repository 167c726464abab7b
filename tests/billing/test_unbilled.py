"""Why an event is counted nowhere, and what to do about it."""

from __future__ import annotations

import datetime as dt

from django.urls import reverse

from billing.selectors.unbilled import why_unbilled
from clients.models import UsageEvent
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, starter
from .story import close, periods_of, subscribe

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in (1, 2, 3))
HOUR = dt.timedelta(hours=1)


def why(workspace, at, unit="conversation"):
    event = SubmittedEvent(id=f"{at}", unit=unit, time=at)
    record_events(workspace=workspace, events=[event], now=MARCH)
    found = why_unbilled(UsageEvent.objects.select_related("workspace", "unit").get())
    return None if found is None else (found.reason, found.remedy)


def test_never_on_a_package(acme_support, conversation):
    reason, remedy = why(acme_support, JANUARY)
    assert reason == "acme-support has never been on a package."
    assert "counts as soon as it does" in remedy


def test_before_the_first_package(acme_support, conversation):
    subscribe(acme_support, starter(), FEBRUARY)
    reason, _ = why(acme_support, JANUARY)
    assert "before the first package of acme-support, which starts on 2026-02-01" in reason


def test_after_the_last(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY, end=FEBRUARY)
    reason, _ = why(acme_support, FEBRUARY + HOUR)
    assert reason == "The package of acme-support had ended on 2026-02-01 05:00 UTC."


def test_a_unit_outside_the_package(acme_support, conversation, page):
    subscribe(acme_support, starter(), JANUARY)
    reason, remedy = why(acme_support, JANUARY + HOUR, unit="page")
    assert reason == "The package at that time, Support Starter, has no pages."
    assert remedy.startswith("Put acme-support on a package that includes them")


def test_late_and_counted_usage_is_not_unbilled(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    assert why(acme_support, JANUARY + HOUR) is None


def test_late_usage_is_not_unbilled(acme_support, conversation):
    subscribe(acme_support, starter(), JANUARY)
    close(periods_of(acme_support)[0])
    assert why(acme_support, JANUARY + HOUR) is None


def test_the_events_page_says_so(acme_support, conversation, owner, client):
    why(acme_support, JANUARY)
    client.force_login(owner)
    url = reverse("admin:clients_usageevent_change", args=(UsageEvent.objects.get().pk,))

    page = client.get(url).content.decode()

    assert "Nobody pays for this: acme-support has never been on a package." in page
