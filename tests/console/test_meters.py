"""Changing a meter from its page, and trying a sample event on its bench."""

from __future__ import annotations

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from clients.models import Meter
from tests.portal.pages import text_of


@pytest.fixture
def bench(conversation):
    return reverse("admin:clients_usageunit_bench", args=(conversation.pk,))


@pytest.fixture
def dialog(conversation):
    return reverse("admin:clients_usageunit_change_meter", args=(conversation.pk,))


def form(**more):
    later = timezone.now() + dt.timedelta(days=1)
    return {
        "aggregation": "unique",
        "property_name": "",
        "filters": "[]",
        "weights": "[]",
        "effective_from": f"{later:%Y-%m-%dT%H:%M}",
        "key": "k" * 32,
    } | more


def test_the_bench_says_what_a_sample_counts_and_costs(as_manager, bench, acme_support):
    sample = '{"quantity": "3", "model": "gpt-4.1", "usage": {"input_tokens": 1000}}'

    text = text_of(as_manager.get(bench, {"event": sample, "workspace": acme_support.pk}))

    assert "v1 in force" in text
    assert "3 conversations" in text


def test_the_bench_says_what_would_be_refused(as_manager, bench):
    text = text_of(as_manager.get(bench, {"event": '{"quantity": "-3"}'}))
    assert "It would be refused" in text


def test_the_bench_of_another_agencys_workspace_is_refused(as_manager, bench, cedar_support):
    response = as_manager.get(bench, {"event": "{}", "workspace": cedar_support.pk})
    assert "Select a valid choice" in text_of(response)


def test_a_new_version_holds_from_its_date(as_manager, dialog, conversation):
    assert as_manager.post(dialog, form()).status_code == 302

    first, second = conversation.meters.order_by("version")
    assert (first.aggregation, second.aggregation) == ("count", "unique")
    assert second.effective_from > timezone.now()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"effective_from": "2020-01-01T00:00"}, "more than 15 minutes from now"),
        ({"filters": '[{"field": "nothing"}]'}, "exactly"),
        ({"filters": "["}, "Enter a valid JSON"),
        ({"aggregation": "sum"}, "property"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(as_manager, dialog, given, words):
    response = as_manager.post(dialog, form(**given))

    assert response.status_code == 200
    assert words in text_of(response)
    assert Meter.objects.count() == 1


@pytest.mark.parametrize("field", ["filters", "weights"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "NaN",
        "[NaN]",
        "1",
        '"x"',
        '{"a": 1}',
        "9" * 5_000,
        "[" + "9" * 5_000 + "]",
        '["\\ud800"]',
        '["\\u0000"]',
        '[{"when": [], "multiply": 1e400}]',
    ],
)
def test_what_is_no_list_that_can_be_stored_is_refused(
    as_manager, dialog, conversation, field, text
):
    response = as_manager.post(dialog, form(**{field: text}))

    assert list(response.context["form"].errors) == [field]
    assert conversation.meters.count() == 1


def test_the_same_change_sent_twice_is_one_version(as_manager, dialog, conversation):
    sent = form()

    assert as_manager.post(dialog, sent).status_code == 302
    assert as_manager.post(dialog, sent).status_code == 302

    assert conversation.meters.count() == 2


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31", "2099-01-01"])
def test_a_meter_changes_at_a_time_that_comes(as_manager, dialog, conversation, year):
    response = as_manager.post(dialog, form(effective_from=f"{year}T23:59"))

    assert list(response.context["form"].errors) == ["effective_from"]
    assert conversation.meters.count() == 1


def test_a_viewer_may_try_and_not_change(as_viewer, bench, dialog):
    assert as_viewer.get(bench).status_code == 200
    assert as_viewer.post(dialog, form()).status_code == 403
