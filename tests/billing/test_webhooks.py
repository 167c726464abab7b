"""Webhooks: what is told to whom, signed, again after failures, and to whom no more."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from decimal import Decimal

import pytest

from agencyportal.core.outbound import OutboundError
from billing.models import (
    Alert,
    Mail,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
)
from billing.refusals import RefusedError
from billing.services import webhook_delivery
from billing.services.alerts import check_alerts
from billing.services.closing import close_due_periods
from billing.services.drafting import draft_invoices
from billing.services.invoicing import issue_due_invoices
from billing.services.purchases import buy_on_account
from billing.services.webhook_delivery import (
    BACK_OFF,
    GIVEN_UP_AFTER,
    MOST_TRIES,
    STALE_AFTER,
    deliver_due,
)
from billing.services.webhooks import (
    BOTH_VALID_FOR,
    HORIZON,
    announce,
    replay,
    rotate_secret,
    save_endpoint,
    send_test,
)
from billing.webhook_types import webhook_types

from .plan_samples import NEW_YORK_2026, allowance, starter
from .receiver import Receiver
from .story import subscribe
from .test_alerts import use

pytestmark = pytest.mark.django_db

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
NOW = JANUARY + dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
PUBLIC = "https://hooks.example.com/in"


class Killed(BaseException):
    """What no worker catches: the process is gone."""


@pytest.fixture(autouse=True)
def local(settings):
    settings.PORTAL_LOCAL_WEBHOOKS = True


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found


@pytest.fixture
def started(acme_support, conversation, platform):
    """100 conversations a month."""
    subscribe(acme_support, starter(allowances=[allowance(included="100")]), JANUARY)
    return acme_support


def endpoint_at(url: str, agency, *types: str, **said) -> WebhookEndpoint:
    found = save_endpoint(
        agency=agency, url=url, types=types or ("alert.crossed",), now=JANUARY, **said
    )
    rotate_secret(endpoint=found, now=JANUARY)
    return found


@pytest.fixture
def endpoint(receiver, northwind):
    return endpoint_at(receiver.url, northwind)


@pytest.fixture
def delivery(endpoint) -> WebhookDelivery:
    return send_test(endpoint=endpoint, key="one", now=NOW)


def is_signed(call, secret: str) -> bool:
    """Whether one of a call's signatures is of a secret; worked out by hand."""
    signed = f"{call.id}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mine = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mine}" in call.headers["webhook-signature"].split()


def secret_of(endpoint: WebhookEndpoint) -> str:
    return endpoint.secrets.latest("pk").secret


# --- What is told ------------------------------------------------------------------------------


def test_an_alert_is_told_signed(started, endpoint, receiver):
    use(started, 85)
    check_alerts(now=NOW)
    assert announce(now=NOW) == 1
    assert deliver_due(now=NOW) == 1

    (call,) = receiver.calls
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert is_signed(call, secret_of(endpoint))
    told = json.loads(call.body)
    assert (told["type"], told["timestamp"]) == ("alert.crossed", "2026-01-01T06:00:00Z")
    data = told["data"]
    assert (data["kind"], data["workspace"], data["unit"]) == (
        "percent",
        "acme-support",
        "conversation",
    )
    assert (data["levels"], data["used"], data["entitled"]) == (["80"], "85", "100")
    assert data["text"].startswith("Acme support chat has used 85 of the 100 conversations")


def test_everything_is_told_once(started, receiver, northwind):
    endpoint_at(receiver.url, northwind, *webhook_types())
    growth = started.subscriptions.get().plan_version.top_ups.get()
    buy_on_account(workspace=started, band=growth, key="k", now=NOW)
    use(started, 85)
    late = FEBRUARY + dt.timedelta(days=2)
    close_due_periods(now=late)
    draft_invoices(now=late)
    issue_due_invoices(now=late)
    WebhookMessage.objects.all().delete()

    now = NOW + HORIZON
    announce(now=now)
    assert set(WebhookMessage.objects.values_list("type", flat=True)) == {
        "top_up.bought",
        "period.closed",
        "invoice.issued",
    }
    assert announce(now=now) == 0
    deliver_due(now=now)
    closed = next(json.loads(call.body) for call in receiver.calls if b"period.closed" in call.body)
    assert closed["data"]["units"] == [
        {
            "unit": "conversation",
            "used": "85",
            "included": "85",
            "top_up": "0",
            "overage": "0",
            "overage_amount": "0",
        }
    ]
    assert len({call.id for call in receiver.calls}) == len(receiver.calls)


def test_what_happened_before_is_not_told(started, receiver, northwind):
    use(started, 85)
    check_alerts(now=JANUARY)
    save = {"agency": northwind, "url": receiver.url, "types": ["alert.crossed"]}
    rotate_secret(endpoint=save_endpoint(**save, now=NOW), now=NOW)

    assert announce(now=NOW) == 0


def test_what_happened_long_ago_is_not_told(started, endpoint):
    use(started, 85)
    check_alerts(now=NOW)

    assert announce(now=NOW + HORIZON + SECOND) == 0


def test_nobody_hears_of_another_agency_or_of_other_events(started, receiver, northwind, harbor):
    endpoint_at(receiver.url, harbor)
    endpoint_at(receiver.url, northwind, "invoice.issued")
    use(started, 85)
    check_alerts(now=NOW)

    assert announce(now=NOW) == 0


def test_an_endpoint_of_a_client_hears_of_that_client_alone(
    started, birch, receiver, northwind, acme
):
    mine = endpoint_at(receiver.url, northwind, client=acme)
    others = endpoint_at(receiver.url, northwind, client=birch)
    use(started, 85)
    check_alerts(now=NOW)
    announce(now=NOW)

    assert [row.endpoint for row in WebhookDelivery.objects.all()] == [mine]
    assert not others.deliveries.exists()


def test_what_is_for_the_agency_alone_goes_to_no_endpoint_of_a_client(
    started, receiver, northwind, acme
):
    all_of_it = endpoint_at(receiver.url, northwind)
    endpoint_at(receiver.url, northwind, client=acme)
    from billing.services.alert_rules import save_rule

    save_rule(agency=northwind, levels=[80], tells_client=False, now=JANUARY)
    use(started, 85)
    check_alerts(now=NOW)
    announce(now=NOW)

    assert [row.endpoint for row in WebhookDelivery.objects.all()] == [all_of_it]


def test_without_a_secret_nothing_is_told(started, receiver, northwind):
    save_endpoint(agency=northwind, url=receiver.url, types=["alert.crossed"], now=JANUARY)
    use(started, 85)
    check_alerts(now=NOW)

    assert Alert.objects.exists()
    assert announce(now=NOW) == 0


# --- Secrets -----------------------------------------------------------------------------------


def test_two_secrets_are_valid_for_a_while(endpoint, delivery, receiver):
    old = secret_of(endpoint)
    _made, new = rotate_secret(endpoint=endpoint, now=NOW)
    deliver_due(now=NOW)
    replay(delivery=delivery, now=NOW)
    deliver_due(now=NOW + BOTH_VALID_FOR)

    during, after = receiver.calls
    assert is_signed(during, old)
    assert is_signed(during, new)
    assert is_signed(after, new)
    assert not is_signed(after, old)


def test_the_same_form_makes_one_secret(endpoint):
    _made, text = rotate_secret(endpoint=endpoint, now=NOW)
    rotate_secret(endpoint=endpoint, secret=text, now=NOW)

    assert endpoint.secrets.count() == 2


# --- Failures ----------------------------------------------------------------------------------


def test_it_is_tried_again_later_and_later(delivery, receiver):
    receiver.statuses = [500] * MOST_TRIES
    now = NOW
    for wait in BACK_OFF:
        deliver_due(now=now)
        assert deliver_due(now=now + wait - SECOND) == 0
        now += wait
    deliver_due(now=now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("failed", MOST_TRIES)
    assert len({call.id for call in receiver.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in receiver.calls}) == MOST_TRIES
    first = WebhookAttempt.objects.get(number=1)
    assert (first.status, first.excerpt, first.error) == (500, "thank you", "")


def test_it_goes_out_when_the_receiver_is_back(delivery, receiver):
    receiver.statuses = [503]
    deliver_due(now=NOW)
    assert deliver_due(now=NOW + BACK_OFF[0]) == 1

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert delivery.endpoint.failing_since is None


def test_a_later_message_may_overtake(endpoint, delivery, receiver):
    receiver.statuses = [500]
    deliver_due(now=NOW)
    later = send_test(endpoint=endpoint, key="two", now=NOW + SECOND)
    deliver_due(now=NOW + SECOND)
    deliver_due(now=NOW + BACK_OFF[0])

    first, second, third = (call.id for call in receiver.calls)
    assert (second, third) == (later.message.uid, first)


def test_no_answer_is_a_failure(delivery, monkeypatch):
    def silence(*_args, **_kwargs):
        raise OutboundError("No answer within 15 seconds.")

    monkeypatch.setattr(webhook_delivery, "post", silence)

    assert deliver_due(now=NOW) == 0
    attempt = WebhookAttempt.objects.get()
    assert (attempt.status, attempt.error) == (None, "No answer within 15 seconds.")


def test_a_name_that_leads_inside_is_a_failure(delivery, settings):
    settings.PORTAL_LOCAL_WEBHOOKS = False

    assert deliver_due(now=NOW) == 0
    assert WebhookAttempt.objects.get().error == "Only https addresses are called."


def test_one_that_fails_holds_up_few_others(endpoint, delivery, receiver, northwind):
    """After its first failure an endpoint is left alone; others get theirs."""
    send_test(endpoint=endpoint, key="two", now=NOW)
    receiver.statuses = [500, 500]
    with Receiver() as other:
        send_test(endpoint=endpoint_at(other.url, northwind), key="three", now=NOW)
        assert deliver_due(now=NOW) == 1

    assert (len(receiver.calls), len(other.calls)) == (1, 1)


def test_a_worker_that_died_is_made_up_for(delivery, receiver, monkeypatch):
    """It was taken, and nobody knows: the same message comes twice, under one id."""
    record = webhook_delivery._record

    def die(*_args, **_kwargs):
        raise Killed

    monkeypatch.setattr(webhook_delivery, "_record", die)
    with pytest.raises(Killed):
        deliver_due(now=NOW)
    monkeypatch.setattr(webhook_delivery, "_record", record)

    assert deliver_due(now=NOW + STALE_AFTER - SECOND) == 0
    assert deliver_due(now=NOW + STALE_AFTER) == 1
    first, second = receiver.calls
    assert (first.id, first.body) == (second.id, second.body)


def test_who_was_given_up_records_nothing(delivery, receiver):
    """The first worker took so long that another has taken over meanwhile."""
    claimed = webhook_delivery._claim(NOW, set())
    assert claimed is not None
    deliver_due(now=NOW + STALE_AFTER)
    webhook_delivery._record(claimed, NOW, error="too late")

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert [attempt.error for attempt in WebhookAttempt.objects.all()] == [""]


# --- Turned off --------------------------------------------------------------------------------


def test_after_days_of_failure_it_is_turned_off(endpoint, delivery, receiver, owner):
    receiver.statuses = [500, 500]
    deliver_due(now=NOW)
    send_test(endpoint=endpoint, key="two", now=NOW + GIVEN_UP_AFTER)
    deliver_due(now=NOW + GIVEN_UP_AFTER)

    endpoint.refresh_from_db()
    assert not endpoint.is_active
    assert endpoint.disabled_because == "Every try of 5 days failed."
    mail = Mail.objects.get(key__startswith="webhook-off")
    assert mail.recipients == [owner.email]
    assert deliver_due(now=NOW + 2 * GIVEN_UP_AFTER) == 0

    save_endpoint(
        endpoint=endpoint,
        agency=endpoint.agency,
        url=receiver.url,
        types=["alert.crossed"],
        now=NOW + 2 * GIVEN_UP_AFTER,
    )
    assert (endpoint.disabled_at, endpoint.disabled_because) == (None, "")
    assert deliver_due(now=NOW + 2 * GIVEN_UP_AFTER) == 2


def test_who_is_gone_is_called_no_more(endpoint, delivery, receiver):
    receiver.statuses = [410]
    deliver_due(now=NOW)

    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_because) == (False, "It answered 410 Gone.")
    assert Mail.objects.filter(key__startswith="webhook-off").count() == 1


# --- By hand -----------------------------------------------------------------------------------


def test_a_message_is_sent_again_under_its_own_id(delivery, receiver):
    deliver_due(now=NOW)
    replay(delivery=delivery, now=NOW)
    replay(delivery=delivery, now=NOW)
    deliver_due(now=NOW)

    first, second = receiver.calls
    assert (first.id, first.body) == (second.id, second.body)


def test_what_was_given_up_has_all_its_tries_again(delivery, receiver):
    receiver.statuses = [500] * (MOST_TRIES + 1)
    now = NOW
    for wait in (*BACK_OFF, SECOND):
        deliver_due(now=now)
        now += wait
    WebhookEndpoint.objects.update(is_active=True)
    replay(delivery=delivery, now=now)
    deliver_due(now=now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.attempts) == ("pending", 1, MOST_TRIES + 1)


def test_a_test_says_that_it_is_one(endpoint, receiver):
    send_test(endpoint=endpoint, key="form", now=NOW)
    send_test(endpoint=endpoint, key="form", now=NOW)
    deliver_due(now=NOW)

    (call,) = receiver.calls
    assert json.loads(call.body)["type"] == "webhook.test"


# --- What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"url": "http://hooks.example.com/"}, "Only https"),
        ({"url": "https://10.0.0.8/"}, "not a public one"),
        ({"types": []}, "Choose what"),
        ({"types": ["invoice.lost"]}, "no event invoice.lost"),
    ],
)
def test_endpoints_that_are_refused(northwind, settings, said, why):
    settings.PORTAL_LOCAL_WEBHOOKS = False
    with pytest.raises(RefusedError, match=why):
        save_endpoint(
            **{"agency": northwind, "url": PUBLIC, "types": ["alert.crossed"], "now": NOW, **said}
        )


def test_a_client_of_another_agency_is_refused(northwind, cedar):
    with pytest.raises(RefusedError, match="is not of Northwind"):
        endpoint_at(PUBLIC, northwind, client=cedar)


def test_what_is_off_is_neither_tested_nor_sent_again(endpoint, delivery):
    deliver_due(now=NOW)
    WebhookEndpoint.objects.update(is_active=False)
    delivery = WebhookDelivery.objects.get()

    with pytest.raises(RefusedError, match="endpoint is off"):
        replay(delivery=delivery, now=NOW)
    with pytest.raises(RefusedError, match="Turn it on"):
        send_test(endpoint=endpoint, key="two", now=NOW)


def test_amounts_are_decimals_as_text(started, receiver, northwind):
    endpoint_at(receiver.url, northwind, "top_up.bought")
    growth = started.subscriptions.get().plan_version.top_ups.get()
    buy_on_account(workspace=started, band=growth, key="k", now=NOW)
    announce(now=NOW)

    data = json.loads(WebhookMessage.objects.get().body)["data"]
    assert (data["quantity"], data["price"]) == ("500", "60")
    assert Decimal(data["price"]) == 60
