"""Sends webhooks: claim, commit, post outside of any transaction, record.

A message is sent at least once: a worker that dies after the receiver took it and before that was
recorded sends it again, under the same webhook-id, by which receivers know it. Nor do messages
keep an order: one that fails waits while later ones go out.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from agencyportal.core.claims import claim
from agencyportal.core.outbound import Answer, OutboundError, post
from billing.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.signatures import headers_of
from clients.models import AgencyMember

from .mailing import message, queue_mail
from .webhooks import valid_secrets

_SECOND: Final = dt.timedelta(seconds=1)
BACK_OFF: Final = tuple(
    n * _SECOND for n in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long to wait after each failure: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""

MOST_TRIES: Final = len(BACK_OFF) + 1
STALE_AFTER: Final = dt.timedelta(minutes=5)
"""A worker that has not come back for so long is thought dead; a try takes seconds."""

GIVEN_UP_AFTER: Final = dt.timedelta(days=5)
"""An endpoint that has only failed for so long is turned off."""

GONE: Final = 410
"""What a receiver answers that wants no more."""

_logger = logging.getLogger(__name__)


def deliver_due(*, now: dt.datetime, limit: int | None = None) -> int:
    """Send what is due, at most ``limit`` messages; returns how many were taken.

    An endpoint that fails is left alone for the rest of the run, so that one that is slow holds up
    few others. No transaction is open while one is called.
    """
    delivered = tried = 0
    failing: set[int] = set()
    while limit is None or tried < limit:
        delivery = _claim(now, failing)
        if delivery is None:
            break
        tried += 1
        if _deliver(delivery, now):
            delivered += 1
        else:
            failing.add(delivery.endpoint_id)
    return delivered


def due(*, now: dt.datetime) -> QuerySet[WebhookDelivery]:
    """What would be sent now: due, or left by a worker that died; to endpoints that are on."""
    states = WebhookDelivery.State
    ready = Q(state=states.PENDING, not_before__lte=now)
    stale = Q(state=states.SENDING, claimed_at__lte=now - STALE_AFTER)
    listening = WebhookEndpoint.objects.listening().values("pk")
    return WebhookDelivery.objects.filter(ready | stale, endpoint__in=listening)


def _claim(now: dt.datetime, failing: set[int]) -> WebhookDelivery | None:
    claimed = claim(
        due(now=now).exclude(endpoint__in=failing).order_by("not_before", "pk"),
        set={
            "state": WebhookDelivery.State.SENDING,
            "claimed_at": now,
            "attempts": F("attempts") + 1,
            "tries": F("tries") + 1,
        },
        limit=1,
    )
    related = ("endpoint__agency", "message")
    rows = WebhookDelivery.objects.select_related(*related)
    return rows.get(pk=claimed[0]) if claimed else None


def _deliver(delivery: WebhookDelivery, now: dt.datetime) -> bool:
    try:
        answer = _post(delivery, now)
    except Exception as error:
        if not isinstance(error, OutboundError):
            _logger.exception("webhook %s failed", delivery.pk)
        said = str(error) if isinstance(error, OutboundError) else type(error).__name__
        _record(delivery, now, error=said[:600])
        return False
    told = {
        "status": answer.status,
        "excerpt": answer.excerpt,
        "milliseconds": answer.milliseconds,
    }
    is_taken = 200 <= answer.status < 300
    _record(delivery, now, is_taken=is_taken, **told)
    return is_taken


def _post(delivery: WebhookDelivery, now: dt.datetime) -> Answer:
    body = delivery.message.body.encode()
    signed = headers_of(
        message_id=delivery.message.uid,
        at=now,
        body=body,
        secrets=valid_secrets(delivery.endpoint, now),
    )
    return post(
        delivery.endpoint.url,
        body=body,
        headers={"Content-Type": "application/json", **signed},
        allow_local=settings.PORTAL_LOCAL_WEBHOOKS,
    )


@transaction.atomic
def _record(
    delivery: WebhookDelivery, now: dt.datetime, *, is_taken: bool = False, **told: Any
) -> None:
    """Write an attempt's outcome down, unless another worker has taken over since."""
    states = WebhookDelivery.State
    outcome: dict[str, Any] = {"state": states.DELIVERED, "delivered_at": now}
    if not is_taken:
        is_last = delivery.tries >= MOST_TRIES
        wait = BACK_OFF[min(delivery.tries, len(BACK_OFF)) - 1]
        outcome = {"state": states.FAILED if is_last else states.PENDING, "not_before": now + wait}
    mine = WebhookDelivery.objects.filter(
        pk=delivery.pk, state=states.SENDING, attempts=delivery.attempts
    )
    if not mine.update(**outcome):
        return
    WebhookAttempt.objects.create(delivery=delivery, number=delivery.attempts, at=now, **told)
    endpoints = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id)
    if is_taken:
        endpoints.exclude(failing_since=None).update(failing_since=None)
        return
    endpoints.filter(failing_since=None).update(failing_since=now)
    if told.get("status") == GONE:
        _turn_off(delivery.endpoint, "It answered 410 Gone.", now)
    elif endpoints.filter(failing_since__lte=now - GIVEN_UP_AFTER).exists():
        days = GIVEN_UP_AFTER.days
        _turn_off(delivery.endpoint, f"Every try of {days} days failed.", now)


def _turn_off(endpoint: WebhookEndpoint, because: str, now: dt.datetime) -> None:
    """Turn an endpoint off, once, and tell the agency's owners."""
    on = WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=True)
    if not on.update(is_active=False, disabled_at=now, disabled_because=because):
        return
    agency = endpoint.agency
    owners = agency.members.filter(role=AgencyMember.Role.OWNER, user__is_active=True)
    recipients = sorted(owners.values_list("user__email", flat=True))
    link = f"{settings.PORTAL_BASE_URL}/admin/billing/webhookendpoint/{endpoint.pk}/change/"
    queue_mail(
        message(
            agency=agency,
            client=None,
            key=f"webhook-off:{endpoint.pk}:{now.isoformat()}",
            recipients=recipients or ([agency.email] if agency.email else []),
            subject=f"A webhook was turned off: {endpoint}",
            body_text=(
                f"The portal no longer calls {endpoint.url}. {because}\n\n"
                "What was tried, and what came back, is here. Turn it on again when it works; "
                f"what has not been delivered then is.\n\n{link}\n"
            ),
            now=now,
        )
    )
