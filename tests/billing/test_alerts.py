"""Who is told what about usage that comes near its end, and that it is told once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Alert, AlertRule, Mail
from billing.refusals import RefusedError
from billing.services.alerts import check_alerts, save_rule
from billing.services.grants import adjust
from billing.services.mailing import send_due_mail
from billing.services.purchases import buy_on_account
from clients.models import UsageEvent
from clients.services.recording import SubmittedEvent, record_events

from .plan_samples import NEW_YORK_2026, allowance, starter
from .story import subscribe

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
HOUR = dt.timedelta(hours=1)
NOW = JANUARY + HOUR


@pytest.fixture
def started(acme_support, conversation):
    """100 conversations a month."""
    subscribe(acme_support, starter(allowances=[allowance(included="100")]), JANUARY)
    return acme_support


def use(workspace, quantity: int, at: dt.datetime = NOW, unit: str = "conversation") -> None:
    sent = SubmittedEvent(
        id=str(UsageEvent.objects.count()), unit=unit, quantity=Decimal(quantity), time=at
    )
    record_events(workspace=workspace, events=[sent], now=at)


def told() -> list[tuple[Decimal, ...]]:
    """The percents that each alert so far lists, in the order in which they came."""
    alerts = Alert.objects.order_by("pk")
    return [tuple(alert.crossings.values_list("level", flat=True)) for alert in alerts]


def test_below_the_first_threshold_nobody_is_told(started):
    use(started, 79)

    assert check_alerts(now=NOW) == 0
    assert not Mail.objects.exists()


def test_each_threshold_is_told_once(started):
    for quantity in (80, 5, 15, 50):
        use(started, quantity)
        check_alerts(now=NOW)
        check_alerts(now=NOW)

    assert told() == [(80,), (100,)]


def test_one_message_lists_all_that_were_crossed(started):
    use(started, 130)

    assert check_alerts(now=NOW) == 1
    assert told() == [(80, 100)]
    alert = Alert.objects.get()
    assert (alert.used, alert.entitled, alert.noticed_at) == (130, 100, NOW)


def test_where_nothing_is_included_any_usage_is_told(acme_support, conversation):
    subscribe(acme_support, starter(allowances=[allowance(included="0")]), JANUARY)
    assert check_alerts(now=NOW) == 0

    use(acme_support, 1)

    check_alerts(now=NOW)
    assert told() == [(80, 100)]


def test_credit_makes_thresholds_count_anew(started):
    """500 more: 100 of 600 is far from 80 %, and 480 is there again."""
    growth = started.subscriptions.get().plan_version.top_ups.get()
    use(started, 100)
    check_alerts(now=NOW)
    buy_on_account(workspace=started, band=growth, key="k", now=NOW)

    assert check_alerts(now=NOW) == 0
    use(started, 380)
    check_alerts(now=NOW)

    assert told() == [(80, 100), (80,)]


def test_a_new_period_counts_anew(started):
    use(started, 80)
    check_alerts(now=NOW)
    use(started, 85, FEBRUARY + HOUR)
    check_alerts(now=FEBRUARY + HOUR)

    assert told() == [(80,), (80,)]


def test_what_has_not_changed_is_not_looked_at_again(started, django_assert_num_queries):
    use(started, 100)
    check_alerts(now=NOW)

    with django_assert_num_queries(1):
        assert check_alerts(now=NOW) == 0


def test_credit_alone_is_looked_at(started, conversation):
    """Still over after it came: that is told, under the new count."""
    use(started, 100)
    check_alerts(now=NOW)
    adjust(
        workspace=started,
        unit=conversation,
        quantity=Decimal(5),
        reason="Sorry",
        created_by=None,
        now=NOW,
        key="k",
    )
    check_alerts(now=NOW)

    assert told() == [(80, 100), (80,)]


class TestRules:
    def test_without_any_rule_an_agency_gets_the_default(self, started, northwind):
        use(started, 80)
        check_alerts(now=NOW)

        rule = AlertRule.objects.get(agency=northwind)
        assert (rule.levels, rule.tells_client, rule.tells_agency) == (["80", "100"], True, True)

    def test_a_rule_that_comes_later_is_told_of_what_is_reached(self, started, northwind):
        use(started, 60)
        check_alerts(now=NOW)

        save_rule(agency=northwind, levels=["50"], workspace=started, now=NOW)

        check_alerts(now=NOW)
        assert told() == [(50,)]

    def test_a_rule_without_percents_keeps_quiet(self, started, northwind, acme):
        save_rule(agency=northwind, levels=["80"], now=NOW)
        save_rule(agency=northwind, levels=[], client=acme, now=NOW)
        use(started, 100)

        assert check_alerts(now=NOW) == 0

    def test_a_rule_that_is_off_is_none(self, started, northwind):
        save_rule(agency=northwind, levels=["80"], now=NOW, is_active=False)
        use(started, 100)

        assert check_alerts(now=NOW) == 0
        assert AlertRule.objects.count() == 1

    def test_rules_are_the_agencys_own(self, started, northwind, cedar, harbor):
        with pytest.raises(RefusedError, match="is not of Northwind"):
            save_rule(agency=northwind, levels=["80"], client=cedar, now=NOW)
        with pytest.raises(RefusedError, match="Whole percents"):
            save_rule(agency=northwind, levels=["0"], now=NOW)
        save_rule(agency=harbor, levels=["10"], now=NOW)
        use(started, 20)

        assert check_alerts(now=NOW) == 0


class TestMessages:
    def test_both_sides_are_told_in_their_own_words(
        self, started, owner, teammate, client_admin, client_viewer, mailoutbox
    ):
        use(started, 85)
        check_alerts(now=NOW)
        send_due_mail(now=NOW)

        to_client, to_agency = sorted(mailoutbox, key=lambda mail: mail.to)
        assert to_client.to == ["admin@acme.example"]
        assert to_agency.to == ["manager@northwind.example", "owner@northwind.example"]
        assert to_client.subject == (
            "Acme support chat: 85 of 100 conversations used (80 % reached)"
        )
        assert to_agency.subject.startswith("Acme, Acme support chat: 85 of 100")
        assert "15 conversations are left until February 1, 2026" in to_client.body
        assert "usage goes on and is billed as agreed" in to_client.body
        assert "token" not in to_client.body.lower()
        ((html, kind),) = to_client.alternatives
        assert kind == "text/html"
        assert "<strong>85</strong> of the 100 conversations" in html
        assert Alert.objects.get().mail == Mail.objects.get(client=started.client)

    def test_names_do_not_become_markup(self, started, client_admin):
        started.name = "A & B <chat>"
        started.save()
        use(started, 85)
        check_alerts(now=NOW)

        mail = Mail.objects.get(client=started.client)
        assert "A & B <chat> has used" in mail.body_text
        assert "A &amp; B &lt;chat&gt;" in mail.body_html
        assert "<chat>" not in mail.body_html

    def test_past_the_end_it_says_what_happens(self, acme_support, conversation, client_admin):
        plan = starter(allowances=[allowance(included="10", overage={"policy": "block"})])
        subscribe(acme_support, plan, JANUARY)
        use(acme_support, 12)
        check_alerts(now=NOW)

        body = Mail.objects.get(client=acme_support.client).body_text
        assert "Nothing is left until" in body
        assert "2 conversations are beyond the package" in body
        assert "requests are held back" in body

    @pytest.mark.parametrize(
        ("client_is", "agency_is", "keys"),
        [(True, False, ["client"]), (False, True, ["agency"]), (False, False, [])],
    )
    def test_a_rule_says_who_is_told(self, started, northwind, client_is, agency_is, keys):
        save_rule(
            agency=northwind, levels=["80"], now=NOW, tells_client=client_is, tells_agency=agency_is
        )
        use(started, 85)

        assert check_alerts(now=NOW) == 1
        sides = [mail.key.rpartition(":")[2] for mail in Mail.objects.all()]
        assert sides == keys
        assert (Alert.objects.get().mail is not None) == bool(keys)

    def test_without_people_the_addresses_of_both_sides_are_used(self, started):
        use(started, 85)
        check_alerts(now=NOW)

        found = [mail.recipients for mail in Mail.objects.order_by("pk")]
        assert found == [["billing@acme.example"], ["hello@northwind.example"]]


def test_one_workspace_that_fails_holds_up_no_other(
    started, acme_docs, conversation, monkeypatch, caplog
):
    from billing.selectors import alerts, balances

    subscribe(acme_docs, starter(allowances=[allowance(included="100")]), JANUARY)
    for workspace in (started, acme_docs):
        use(workspace, 100)

    def fails(*, workspace, now):
        if workspace == started:
            raise ZeroDivisionError
        return balances(workspace=workspace, now=now)

    monkeypatch.setattr(alerts, "balances", fails)

    assert check_alerts(now=NOW) == 1
    assert Alert.objects.get().workspace == acme_docs
    monkeypatch.undo()
    assert check_alerts(now=NOW) == 1
