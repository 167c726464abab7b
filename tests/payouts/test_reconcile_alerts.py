"""`manage.py reconcile` proves every kind of alert, and names one whose figures were changed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection

from agencyportal.core import append_only
from billing.models import Alert, AlertCrossing, AlertKind, Mail, MarginRule
from billing.services.alert_rules import save_rule
from billing.services.alerts import check_alerts
from billing.services.closing import close_due_periods
from billing.services.margins import add_margin_rule
from clients.services.recording import SubmittedEvent, record_events
from payouts.reconcile.alert_messages import check_alert_messages as prove_messages
from payouts.reconcile.alerts import check_alerts as prove
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import subscribe

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
NOW = FEBRUARY + dt.timedelta(days=10)


@pytest.fixture(autouse=True)
def told(acme_support, conversation, northwind):
    """Overage in January, and a February that crosses every kind of level."""
    acme_support.cost_payer = "agency"
    acme_support.save()
    add_margin_rule(
        rule=MarginRule(
            agency=northwind, name="House", floor_percent=Decimal(90), effective_from=JANUARY
        ),
        now=JANUARY,
    )
    subscribe(acme_support, starter(allowances=[allowance(included="1000")]), JANUARY)
    for kind, level in (
        (AlertKind.PERCENT, "40"),
        (AlertKind.UNITS, "400"),
        (AlertKind.MONEY, "5"),
        (AlertKind.FORECAST, "0"),
        (AlertKind.SPIKE, "200"),
        (AlertKind.OVERAGE, "1"),
        (AlertKind.MARGIN, "0"),
    ):
        save_rule(agency=northwind, kind=kind, levels=[level], now=JANUARY)

    def use(quantity: int, at: dt.datetime, cost: int = 0) -> None:
        event = SubmittedEvent(
            id=at.isoformat(),
            unit="conversation",
            quantity=Decimal(quantity),
            time=at,
            cost=Decimal(cost),
        )
        record_events(workspace=acme_support, events=[event], now=at)

    use(1100, JANUARY + dt.timedelta(days=20))
    close_due_periods(now=FEBRUARY + dt.timedelta(days=2))
    use(900, NOW, cost=400)
    check_alerts(now=NOW)
    use(200, NOW + dt.timedelta(minutes=1))
    check_alerts(now=NOW + dt.timedelta(minutes=1))


def named() -> set[object]:
    """The alerts that the proof names."""
    findings = prove(Scope())
    return {found.pk for found in findings if isinstance(found, Difference)}


def test_every_kind_is_proved():
    assert {alert.kind for alert in Alert.objects.all()} == set(AlertKind.values)
    assert named() == set()


@pytest.mark.parametrize("kind", AlertKind.values)
def test_a_measure_that_was_changed_is_named(kind):
    alert = Alert.objects.filter(kind=kind).latest("pk")
    changed = Decimal("0.5") if kind == AlertKind.SPIKE else alert.measured + 1
    with append_only.lifted(reason="a test tampers"):
        Alert._base_manager.filter(pk=alert.pk).update(measured=changed)

    assert named() == {alert.pk}


def test_margin_that_is_shown_to_a_client_is_named():
    alert = Alert.objects.filter(kind=AlertKind.MARGIN).latest("pk")
    with append_only.lifted(reason="a test tampers"):
        Alert._base_manager.filter(pk=alert.pk).update(tells_client=True)

    assert named() == {alert.pk}


# --- Their messages ----------------------------------------------------------------------------


def messages_named() -> set[tuple[str, object]]:
    """The rows that the proof of messages names."""
    return {
        (found.model, found.pk)
        for found in prove_messages(Scope())
        if isinstance(found, Difference)
    }


def test_messages_are_proved():
    assert Mail.objects.filter(key__startswith="alert:").exists()
    assert messages_named() == set()


@pytest.mark.parametrize("side", ["client", "agency"])
def test_a_side_that_got_no_message_is_named(side):
    mail = Mail.objects.filter(key__startswith="alert:", key__endswith=side)[0]
    Mail.objects.filter(pk=mail.pk).update(key="something else")

    assert ("billing.Mail", None) in messages_named()


@pytest.mark.parametrize("field", ["agency", "client"])
def test_a_message_that_went_elsewhere_is_named(field, harbor, birch):
    mail = Mail.objects.filter(key__startswith="alert:", client__isnull=False)[0]
    Mail.objects.filter(pk=mail.pk).update(**{field: {"agency": harbor, "client": birch}[field]})

    assert messages_named() == {("billing.Mail", mail.pk)}


def test_an_alert_that_names_another_message_is_named():
    alert = Alert.objects.filter(tells_client=True).latest("pk")
    other = Mail.objects.exclude(alerts=alert)[0]
    with append_only.lifted(reason="a test tampers"):
        Alert._base_manager.filter(pk=alert.pk).update(mail=other)

    assert messages_named() == {("billing.Alert", alert.pk)}


def test_a_level_that_was_told_twice_is_named():
    """As it could be without the database's own constraint."""
    first = AlertCrossing.objects.filter(unit=None).earliest("pk")
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX crossing_once_of_all")
    same = ("alert", "rule", "period", "level", "arming")
    again = AlertCrossing.objects.create(**{name: getattr(first, name) for name in same})

    assert messages_named() == {("billing.AlertCrossing", again.pk)}
