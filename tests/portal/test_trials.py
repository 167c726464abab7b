"""A client on trial reads until when, what stops it, and what is paid afterwards."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.services.subscriptions import end
from tests.billing.lifecycles import report
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe

from .conftest import MARCH, NOON
from .pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def tried(acme_support, conversation):
    """On trial from 1 to 14 March; 1,000 conversations included, all of them used."""
    made = subscribe(acme_support, starter(trial_days=14), MARCH)
    report(acme_support, conversation, MARCH + dt.timedelta(days=2), 1000)
    return made


def test_the_usage_page(tried, acme, admin):
    text = text_of(admin.get(f"/portal/{acme.pk}/"))

    assert "Trial until March 14, 2026; your package begins in 5 days." in text
    assert "the service pauses until the trial is over or a top-up is bought" in text
    assert "$0.10" not in text


def test_the_package_page(tried, acme, admin):
    text = text_of(admin.get(f"/portal/{acme.pk}/package/"))

    assert "Trial until March 14, 2026. No fee is charged for it" in text
    assert "what you pay begins with March 15, 2026." in text
    assert "Implementation $2,500.00 Once, after the trial." in text


def test_one_that_ends_with_it_costs_nothing(tried, acme, admin):
    end(subscription=tried, end=tried.charged_from, now=NOON)

    text = text_of(admin.get(f"/portal/{acme.pk}/package/"))

    assert "Your package ends with it, and no fee is charged." in text
