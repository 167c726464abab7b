"""Several deliverers and announcers at once: each message is written and sent once."""

from __future__ import annotations

import datetime as dt
from threading import Barrier

import pytest

from billing.models import WebhookDelivery, WebhookMessage
from billing.services import webhook_delivery, webhooks
from billing.services.alerts import check_alerts
from billing.services.webhook_delivery import deliver_due
from billing.services.webhooks import announce, send_test
from tests.billing.plan_samples import allowance, starter
from tests.billing.receiver import Receiver
from tests.billing.story import subscribe
from tests.billing.test_alerts import JANUARY, NOW, use
from tests.billing.test_webhooks import endpoint_at

from .at_once import at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

WORKERS = 4


@pytest.fixture(autouse=True)
def local(settings):
    settings.PORTAL_LOCAL_WEBHOOKS = True


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found


def test_each_message_is_sent_once(northwind, receiver):
    endpoint = endpoint_at(receiver.url, northwind)
    for number in range(6):
        send_test(endpoint=endpoint, key=str(number), now=NOW)

    assert sum(at_once(WORKERS, lambda _number: deliver_due(now=NOW))) == 6
    ids = [call.id for call in receiver.calls]
    assert sorted(ids) == sorted(set(ids))
    assert len(ids) == 6


def test_without_the_claim_each_of_them_sends_it(northwind, receiver, monkeypatch):
    """Looking and then sending is not enough: all of them look before any has sent."""
    send_test(endpoint=endpoint_at(receiver.url, northwind), key="one", now=NOW)
    looked = Barrier(WORKERS)

    def look(now, failing):
        rows = WebhookDelivery.objects.select_related("endpoint__agency", "message")
        found = rows.filter(state="pending").first()
        looked.wait(20)
        return found

    monkeypatch.setattr(webhook_delivery, "_claim", look)
    at_once(WORKERS, lambda _number: deliver_due(now=NOW, limit=1))

    assert len(receiver.calls) == WORKERS


def test_each_row_is_announced_once(northwind, receiver, acme_support, conversation, monkeypatch):
    endpoint_at(receiver.url, northwind)
    subscribe(acme_support, starter(allowances=[allowance(included="100")]), JANUARY)
    use(acme_support, 100)
    check_alerts(now=NOW)
    found = Barrier(WORKERS)
    write = webhooks._announce

    def after_all(*args):
        found.wait(20)
        return write(*args)

    monkeypatch.setattr(webhooks, "_announce", after_all)
    made = at_once(WORKERS, lambda _number: announce(now=NOW + dt.timedelta(seconds=1)))

    assert sorted(made) == [0] * (WORKERS - 1) + [1]
    assert (WebhookMessage.objects.count(), WebhookDelivery.objects.count()) == (1, 1)
