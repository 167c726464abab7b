"""`manage.py reconcile` proves what programs were told, and names what was changed in it."""

from __future__ import annotations

import datetime as dt
import json
from itertools import accumulate
from typing import Any

import pytest

from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookMessage
from billing.services.purchases import buy_on_account
from billing.services.webhook_delivery import BACK_OFF, deliver_due
from billing.services.webhooks import announce, rotate_secret, save_endpoint, send_test
from payouts.reconcile.findings import Checked, Difference
from payouts.reconcile.scope import Scope
from payouts.reconcile.webhooks import check_webhooks
from tests.billing.plan_samples import NEW_YORK_2026, allowance, band, starter
from tests.billing.receiver import Receiver
from tests.billing.story import subscribe

pytestmark = pytest.mark.django_db

JANUARY = NEW_YORK_2026[1]
NOW = JANUARY + dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def told(acme_support, conversation, northwind, platform, settings):
    """A test and two top-ups: taken, taken at the second try, given up."""
    settings.PORTAL_LOCAL_WEBHOOKS = True
    plan = starter(allowances=[allowance()], top_ups=[band()])
    subscription = subscribe(acme_support, plan, JANUARY)
    growth = subscription.plan_version.top_ups.get()
    with Receiver(statuses=[200, 500, 200, *[500] * 10]) as receiver:
        endpoint = save_endpoint(
            agency=northwind, url=receiver.url, types=["top_up.bought"], now=JANUARY
        )
        rotate_secret(endpoint=endpoint, now=JANUARY)
        send_test(endpoint=endpoint, key="first", now=NOW)
        deliver_due(now=NOW)
        for key, tries in (("a", 1), ("b", len(BACK_OFF))):
            buy_on_account(workspace=acme_support, band=growth, now=NOW, key=key)
            announce(now=NOW)
            for wait in accumulate(BACK_OFF[:tries], initial=dt.timedelta(0)):
                deliver_due(now=NOW + wait)


def named() -> set[tuple[str, object]]:
    findings = check_webhooks(Scope())
    return {(found.model, found.pk) for found in findings if isinstance(found, Difference)}


def delivery(state: str = "delivered") -> WebhookDelivery:
    return WebhookDelivery.objects.filter(state=state).latest("pk")


def message() -> WebhookMessage:
    return WebhookMessage.objects.filter(type="top_up.bought").earliest("pk")


def test_what_was_told_is_proved():
    states = sorted(WebhookDelivery.objects.values_list("state", flat=True))
    assert states == ["delivered", "delivered", "failed"]
    assert named() == set()
    assert sum(row.rows for row in check_webhooks(Scope()) if isinstance(row, Checked)) == 6


def test_one_agency_is_proved_alone(harbor):
    assert [row for row in check_webhooks(Scope(harbor)) if isinstance(row, Checked)] == []


@pytest.mark.parametrize(
    "values",
    [
        {"row_id": 999_999},
        {"type": "nobody.knows"},
        {"type": "webhook.test"},
        {"is_for_clients": False},
        {"occurred_at": NOW - dt.timedelta(seconds=1)},
    ],
)
def test_a_message_about_nothing_or_something_else_is_named(values: dict[str, Any]):
    changed = message()
    WebhookMessage.objects.filter(pk=changed.pk).update(**values)

    assert named() == {("billing.WebhookMessage", changed.pk)}


def test_a_message_of_another_client_is_named(birch):
    changed = message()
    WebhookMessage.objects.filter(pk=changed.pk).update(client=birch)

    assert named() == {("billing.WebhookMessage", changed.pk)}


@pytest.mark.parametrize(("key", "value"), [("price", "6.00"), ("quantity", "5"), ("id", 7)])
def test_a_message_that_says_other_figures_is_named(key: str, value: object):
    changed = message()
    said = json.loads(changed.body)
    said["data"][key] = value
    WebhookMessage.objects.filter(pk=changed.pk).update(body=json.dumps(said))

    assert named() == {("billing.WebhookMessage", changed.pk)}


def test_who_renames_a_workspace_makes_no_difference(acme_support):
    acme_support.name = "Helpdesk"
    acme_support.save()

    assert named() == set()


def test_a_delivery_to_another_agency_is_named(harbor):
    sent = delivery()
    WebhookEndpoint.objects.filter(pk=sent.endpoint_id).update(agency=harbor)

    assert ("billing.WebhookDelivery", sent.pk) in named()


@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("delivered", {"attempts": 1}),
        ("delivered", {"attempts": 3}),
        ("delivered", {"delivered_at": NOW - dt.timedelta(days=1)}),
        ("failed", {"state": "delivered"}),
        ("delivered", {"state": "failed"}),
    ],
)
def test_a_delivery_that_its_tries_do_not_bear_out_is_named(state: str, values: dict[str, Any]):
    sent = delivery(state)
    WebhookDelivery.objects.filter(pk=sent.pk).update(**values)

    assert named() == {("billing.WebhookDelivery", sent.pk)}


def test_a_delivery_without_any_try_is_named():
    WebhookAttempt.objects.filter(delivery=delivery()).delete()

    assert named() == {("billing.WebhookAttempt", None)}
