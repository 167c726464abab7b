"""A key may call so often in a minute, and is then told when to go on."""

from __future__ import annotations

from dataclasses import replace

import environ
import pytest
from django.core.cache import cache

from agencyportal.api.checks import check_shared_cache

from .caller import caller, problem

pytestmark = pytest.mark.django_db

BALANCE = "/api/v1/balance"


@pytest.fixture(autouse=True)
def _two_a_minute(settings, monkeypatch):
    cache.clear()
    monkeypatch.setattr("agencyportal.api.throttling.time.time", lambda: 6_000_050.0)
    settings.API_CALLS_PER_MINUTE = {"read": 2, "events": 1, "reserve": 1}


def test_one_call_too_many_is_told_when_to_go_on(acme_support, monkeypatch):
    app = caller(acme_support)

    assert [app.get(BALANCE).status_code for _ in range(2)] == [200, 200]
    refused = app.get(BALANCE)

    problem(refused, 429)
    assert refused.headers["Retry-After"] == "10"
    monkeypatch.setattr("agencyportal.api.throttling.time.time", lambda: 6_000_060.0)
    assert app.get(BALANCE).status_code == 200


def test_keys_and_scopes_are_counted_apart(acme_support):
    app, other = caller(acme_support), caller(acme_support)
    for _ in range(3):
        app.get(BALANCE)

    assert other.get(BALANCE).status_code == 200
    assert app.post("/api/v1/reservations", {}, format="json").status_code == 400
    assert app.post("/api/v1/events", {}, format="json").status_code == 400
    problem(app.post("/api/v1/events", {}, format="json"), 429)


def test_without_a_limit_nothing_is_counted(acme_support, settings):
    settings.API_CALLS_PER_MINUTE = {}
    app = caller(acme_support)

    assert {app.get(BALANCE).status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("cache_url", "hosts", "limits", "warned"),
    [
        ("locmemcache://", ("portal.example.com",), {"read": 1}, True),
        ("dummycache://", ("portal.example.com",), {"read": 1}, True),
        ("redis://127.0.0.1:6379/15", ("portal.example.com",), {"read": 1}, False),
        ("locmemcache://", ("127.0.0.1",), {"read": 1}, False),
        ("locmemcache://", ("portal.example.com",), {}, False),
    ],
)
def test_who_serves_others_is_warned_of_counters_that_are_not_shared(
    settings, cache_url, hosts, limits, warned
):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, allowed_hosts=hosts)
    settings.API_CALLS_PER_MINUTE = limits
    backend = environ.Env.cache_url_config(cache_url)["BACKEND"]
    settings.CACHES = {**settings.CACHES, "default": {"BACKEND": backend}}

    assert [found.id for found in check_shared_cache()] == ["api.W001"] * warned
