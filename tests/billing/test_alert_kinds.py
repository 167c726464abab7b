"""What each kind of alert measures, and what it says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Alert, AlertKind, AlertRule, Mail, MarginRule
from billing.refusals import RefusedError
from billing.selectors.alerts import overage_in_a_row
from billing.services.alert_rules import save_rule, set_own_rule
from billing.services.alerts import check_alerts
from billing.services.closing import close_due_periods
from billing.services.grants import adjust
from billing.services.margins import add_margin_rule
from billing.services.purchases import buy_on_account
from billing.services.subscriptions import ensure_due_periods
from clients.models import UsageWindow

from . import story
from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import subscribe

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY, MARCH = (NEW_YORK_2026[month] for month in (1, 2, 3))
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


@pytest.fixture
def started(acme_support, conversation):
    """100 conversations a month for 499.00, further ones at 0.10."""
    subscribe(acme_support, starter(allowances=[allowance(included="100")]), JANUARY)
    return acme_support


@pytest.fixture
def use(started, conversation):
    def record(at: dt.datetime, quantity: int, cost: str = "0") -> None:
        story.use(started, conversation, at, quantity, cost=cost)

    return record


@pytest.fixture
def watch(northwind):
    """A rule of one kind, and silence about percents."""
    AlertRule.objects.create(agency=northwind, levels=[])

    def made(kind: str, *levels: str, **said) -> AlertRule:
        return save_rule(
            agency=northwind, kind=kind, levels=levels, now=said.pop("now", JANUARY), **said
        )

    return made


def told(now: dt.datetime) -> list[tuple[Decimal, list[Decimal]]]:
    """What the alerts of one check measured, and the levels they list."""
    before = set(Alert.objects.values_list("pk", flat=True))
    check_alerts(now=now)
    alerts = Alert.objects.exclude(pk__in=before).order_by("pk")
    return [
        (alert.measured, list(alert.crossings.values_list("level", flat=True))) for alert in alerts
    ]


def mail_to(client) -> Mail:
    return Mail.objects.filter(client=client).latest("pk")


# --- Units -------------------------------------------------------------------------------------


def test_units_used(started, use, watch, acme):
    watch(AlertKind.UNITS, "500", "800")
    use(JANUARY, 499)
    assert told(JANUARY + HOUR) == []

    use(JANUARY + HOUR, 301)
    assert told(JANUARY + HOUR) == [(Decimal(800), [500, 800])]
    assert told(JANUARY + HOUR) == []
    assert mail_to(acme).subject == "Acme support chat: 800 conversations used"
    assert "Reached: 500 and 800." in mail_to(acme).body_text


# --- Money -------------------------------------------------------------------------------------


def test_money_is_overage_and_top_ups_net(started, use, watch, acme):
    """150 beyond the package at 0.10 are 15.00, and a top-up of 60.00."""
    watch(AlertKind.MONEY, "15", "75", "75.01")
    use(JANUARY, 249)
    assert told(JANUARY + HOUR) == []

    use(JANUARY, 1)
    assert told(JANUARY + HOUR) == [(Decimal(15), [15])]

    growth = started.subscriptions.get().plan_version.top_ups.get()
    buy_on_account(workspace=started, band=growth, key="k", now=JANUARY + HOUR)
    assert told(JANUARY + HOUR) == [(Decimal(75), [15, 75])]  # a top-up arms anew
    assert (
        "$15.00 for usage beyond the package and $60.00 for top-ups. Reached: $15.00 and $75.00."
    ) in mail_to(acme).body_text
    alert = Alert.objects.latest("pk")
    assert (alert.unit, alert.used) == (None, None)


def test_money_of_one_unit_is_watched_beside_all_of_it(started, use, watch, conversation):
    watch(AlertKind.MONEY, "10", unit=conversation)
    watch(AlertKind.MONEY, "5")
    use(JANUARY, 200)

    assert sorted(told(JANUARY + HOUR)) == [(Decimal(10), [5]), (Decimal(10), [10])]
    assert {alert.unit for alert in Alert.objects.all()} == {None, conversation}


# --- Forecast ----------------------------------------------------------------------------------


def test_what_runs_out_at_this_pace(started, use, watch, acme):
    """50 in 10 days: 5 a day. 50 are left, for 10 more days of January's 31."""
    watch(AlertKind.FORECAST, "0", "11", "12")
    use(JANUARY, 50)

    assert told(JANUARY + 10 * DAY) == [(Decimal(11), [0, 11])]
    assert mail_to(acme).subject == (
        "Acme support chat: conversations run out on about January 21, 2026 (an estimate)"
    )
    assert "11 days before the period ends. This is an estimate." in mail_to(acme).body_text


def test_what_lasts_is_not_told(started, use, watch):
    watch(AlertKind.FORECAST, "0")
    use(JANUARY, 30)

    assert told(JANUARY + 10 * DAY) == []


def test_what_has_run_out_needs_no_forecast(started, use, watch):
    watch(AlertKind.FORECAST, "0")
    use(JANUARY, 100)

    assert told(JANUARY + 10 * DAY) == []


def test_credit_arms_a_forecast_anew(started, use, watch, conversation):
    watch(AlertKind.FORECAST, "0")
    use(JANUARY, 60)
    now = JANUARY + 10 * DAY
    assert len(told(now)) == 1
    adjust(
        workspace=started,
        unit=conversation,
        quantity=Decimal(20),
        reason="Sorry",
        created_by=None,
        now=now,
        key="k",
    )

    assert len(told(now)) == 1
    assert told(now) == []


# --- Spike -------------------------------------------------------------------------------------


def test_a_day_that_stands_out(started, use, watch, acme):
    """Ten a day for four weeks; then thirty in 24 hours are 300 %."""
    watch(AlertKind.SPIKE, "300", "301")
    for day in range(28):
        use(JANUARY + day * DAY, 10)
    now = JANUARY + 28 * DAY + HOUR
    use(JANUARY + 28 * DAY, 29)
    assert told(now) == []

    use(now, 1)
    assert told(now) == [(Decimal(30), [300])]
    assert "The same hours of the 3 weeks before came to 10 on average." in mail_to(acme).body_text


# --- Repeated overage --------------------------------------------------------------------------


def close(until: dt.datetime) -> None:
    close_due_periods(now=until)


def test_overage_in_two_closed_periods_in_a_row(started, use, watch, acme):
    watch(AlertKind.OVERAGE, "2")
    after = DAY + HOUR
    use(JANUARY, 101)
    close(FEBRUARY + after)
    assert told(FEBRUARY + after) == []

    use(FEBRUARY + after, 101)
    close(MARCH + after)
    assert told(MARCH + after) == [(Decimal(2), [2])]
    assert told(MARCH + after) == []
    assert Alert.objects.get().period.start == FEBRUARY
    assert "in each of the last 2 periods. A larger package may cost less." in (
        mail_to(acme).body_text
    )


def test_a_period_without_overage_breaks_the_row(started, use, watch, conversation):
    after = DAY + HOUR
    use(JANUARY, 101)
    close(FEBRUARY + after)
    use(FEBRUARY + after, 100)
    close(MARCH + after)

    february = started.periods.get(start=FEBRUARY)
    assert overage_in_a_row(period=february) == {}
    assert overage_in_a_row(period=started.periods.get(start=JANUARY)) == {conversation.pk: 1}


# --- Margin ------------------------------------------------------------------------------------


@pytest.fixture
def floor(northwind):
    """At least 40 % of the price is margin, from January on."""
    rule = MarginRule(
        agency=northwind, name="House", floor_percent=Decimal(40), effective_from=JANUARY
    )
    return add_margin_rule(rule=rule, now=JANUARY)


def test_margin_below_its_floor_is_told_to_the_agency_alone(floor, started, use, watch, acme):
    """499.00 are charged: at 299.40 of cost the margin is 40 %, and a cent more is below it."""
    use(JANUARY, 10, cost="299.40")
    assert told(JANUARY + HOUR) == []

    use(JANUARY, 1, cost="0.01")
    ((measured, levels),) = told(JANUARY + HOUR)
    assert (measured, levels) == (Decimal("0.002004"), [0])

    alert = Alert.objects.get()
    assert (alert.tells_client, alert.tells_agency) == (False, True)
    assert not Alert.objects.told_to_clients().exists()
    assert not Mail.objects.filter(client=acme).exists()
    mail = Mail.objects.get()
    assert mail.subject == (
        "Acme, Acme support chat: margin on conversations below its floor (39.99%)"
    )
    assert "Price $499.00, cost $299.41." in mail.body_text


def test_a_fee_for_a_year_is_the_price_of_its_days(floor, acme_support, conversation, watch):
    """Of 3,650.00 less 10 % in advance 279.00 are January's and 252.00 February's: at 167.40 and
    151.20 of cost the margin is 40 %, and a cent more is below it."""
    base = {"name": "Base", "kind": "base", "amount": "3650", "when": "period"}
    off = {"name": "Launch", "on": "fees", "percent": "10"}
    allowances = [allowance(included="100", interval="month")]
    plan = starter(interval="year", fees=[base], allowances=allowances, discounts=[off])
    subscribe(acme_support, plan, JANUARY)
    for month, at, cost in (("January", JANUARY, "167.40"), ("February", FEBRUARY, "151.20")):
        ensure_due_periods(now=at)
        story.use(acme_support, conversation, at, 10, cost=cost)
        assert (month, told(at + HOUR)) == (month, [])
        story.use(acme_support, conversation, at, 1, cost="0.01")
        assert len(told(at + HOUR)) == 1


def test_overage_raises_the_price(floor, started, use, watch):
    """150 beyond at 0.10 make it 514.00: 308.41 of cost are below 40 % of it, 308.40 are not."""
    use(JANUARY, 250, cost="308.40")
    assert told(JANUARY + HOUR) == []
    use(JANUARY, 0, cost="0.01")
    UsageWindow.objects.update(watched=None)
    assert len(told(JANUARY + HOUR)) == 1


def test_without_a_floor_nobody_asks_for_margin(started, use, watch):
    use(JANUARY, 10, cost="9999")

    assert told(JANUARY + HOUR) == []
    assert not AlertRule.objects.filter(kind=AlertKind.MARGIN).exists()


# --- One message, and arming -------------------------------------------------------------------


def test_one_message_lists_everything_that_was_crossed(started, use, watch, acme):
    watch(AlertKind.UNITS, "200")
    watch(AlertKind.MONEY, "10")
    use(JANUARY, 200)

    assert len(told(JANUARY + HOUR)) == 2
    mail = Mail.objects.get(client=acme)
    assert mail.subject == "Acme support chat: 2 alerts"
    assert "has used 200 conversations in this period" in mail.body_text
    assert "has spent $10.00 beyond its fees" in mail.body_text
    assert {alert.mail for alert in Alert.objects.all()} == {mail}


def test_a_changed_rule_counts_anew(started, use, watch, northwind):
    rule = watch(AlertKind.UNITS, "50")
    use(JANUARY, 100)
    assert len(told(JANUARY + HOUR)) == 1

    changed = {"agency": northwind, "rule": rule, "kind": AlertKind.UNITS, "now": JANUARY + HOUR}
    save_rule(**changed, levels=["50", "90"])
    assert told(JANUARY + HOUR) == [(Decimal(100), [50, 90])]

    save_rule(**changed, levels=["50", "90"], tells_client=False)
    assert told(JANUARY + HOUR) == []  # whom it tells is not what it watches


# --- A client's own rules ----------------------------------------------------------------------


def own(client, by, kind=AlertKind.PERCENT, levels=("50",)):
    return set_own_rule(client=client, kind=kind, levels=levels, by=by, now=JANUARY)


def test_a_client_is_told_by_its_own_rule(started, use, northwind, acme, client_admin):
    own(acme, client_admin)
    use(JANUARY, 60)
    check_alerts(now=JANUARY + HOUR)

    assert Mail.objects.get().client == acme
    use(JANUARY, 25)
    check_alerts(now=JANUARY + HOUR)
    assert Mail.objects.latest("pk").client is None  # 80 % is the agency's, and tells it alone


def test_a_client_may_turn_one_off(started, use, acme, client_admin):
    own(acme, client_admin, levels=())
    use(JANUARY, 100)
    check_alerts(now=JANUARY + HOUR)

    assert not Mail.objects.filter(client=acme).exists()
    assert not Alert.objects.told_to_clients().exists()


def test_a_client_may_go_back_to_what_the_agency_has(started, use, acme, client_admin):
    own(acme, client_admin)
    own(acme, client_admin, levels=None)
    use(JANUARY, 100)
    check_alerts(now=JANUARY + HOUR)

    assert [list(alert.crossings.values_list("level", flat=True)) for alert in Alert.objects.all()]
    assert "80%" in mail_to(acme).body_text


def test_margin_is_not_for_clients_to_watch(acme, client_admin):
    with pytest.raises(RefusedError, match="is set by the agency"):
        own(acme, client_admin, AlertKind.MARGIN)


def test_what_a_client_set_is_not_the_agencys_to_change(acme, northwind, client_admin):
    rule = own(acme, client_admin)
    with pytest.raises(RefusedError, match="Acme's own"):
        save_rule(agency=northwind, rule=rule, levels=["90"], now=JANUARY)
