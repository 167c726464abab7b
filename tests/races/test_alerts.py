"""Several checks at once tell one thing once. On PostgreSQL: SQLite writes one at a time anyway."""

from __future__ import annotations

from collections import Counter
from threading import Barrier

import pytest
from django.core.management import call_command
from django.db import connection

from billing.models import Alert, AlertCrossing, AlertRule, Mail
from billing.services import alerts
from billing.services.alerts import check_alerts
from tests.billing.plan_samples import allowance, starter
from tests.billing.story import subscribe
from tests.billing.test_alerts import JANUARY, NOW, use

from .at_once import at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

CHECKERS = 6


@pytest.fixture
def reached(acme_support, conversation, northwind):
    subscribe(acme_support, starter(allowances=[allowance(included="100")]), JANUARY)
    use(acme_support, 100)
    AlertRule.objects.create(agency=northwind, levels=["80", "100"])
    return acme_support


def race(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every checker has seen what was told before any of them writes."""
    seen = Barrier(CHECKERS)
    raise_one = alerts._raise

    def after_all(*args):
        seen.wait(20)
        return raise_one(*args)

    monkeypatch.setattr(alerts, "_raise", after_all)
    return at_once(CHECKERS, lambda _number: check_alerts(now=NOW))


def test_without_the_constraint_each_of_them_tells_it(monkeypatch, reached):
    constraint = AlertCrossing._meta.constraints[0]
    with connection.schema_editor() as editor:
        editor.remove_constraint(AlertCrossing, constraint)
    try:
        assert race(monkeypatch) == [1] * CHECKERS
        assert Alert.objects.count() == CHECKERS
    finally:
        call_command("flush", interactive=False, verbosity=0)
        with connection.schema_editor() as editor:
            editor.add_constraint(AlertCrossing, constraint)


def test_with_it_one_of_them_does(monkeypatch, reached):
    results = race(monkeypatch)

    assert Counter(results) == {0: CHECKERS - 1, 1: 1}
    assert Alert.objects.count() == 1
    assert sorted(AlertCrossing.objects.values_list("level", flat=True)) == [80, 100]
    assert Mail.objects.count() == 2


def test_an_agency_gets_one_default_rule(reached):
    AlertRule.objects.all().delete()

    at_once(CHECKERS, lambda _number: check_alerts(now=NOW))

    assert AlertRule.objects.count() == 1
    assert Alert.objects.count() == 1
