"""Endpoints of webhooks: made, given secrets, tested, and the messages for them written down.

Messages are found, not reported: `announce` looks for rows that an endpoint is to be told of and
that nobody has told it yet (`billing.webhook_types`). `webhook_delivery` sends them.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from agencyportal.core.locks import lock_row
from agencyportal.core.outbound import RefusedAddressError, check_url
from billing.models import WebhookDelivery, WebhookEndpoint, WebhookMessage, WebhookSecret
from billing.refusals import RefusedError
from billing.signatures import SECRET_BYTES, new_secret
from billing.webhook_types import WebhookType, webhook_types
from clients.models import Agency, Client, User

BOTH_VALID_FOR: Final = dt.timedelta(hours=24)
"""How long the secret before a new one still signs."""

HORIZON: Final = dt.timedelta(days=7)
"""What happened longer ago is not told any more, whatever stood still meanwhile."""

TEST_TYPE: Final = "webhook.test"
BATCH: Final = 500

_logger = logging.getLogger(__name__)


# --- Endpoints ---------------------------------------------------------------------------------


@transaction.atomic
def save_endpoint(
    *,
    agency: Agency,
    url: str,
    types: Sequence[str],
    now: dt.datetime,
    client: Client | None = None,
    description: str = "",
    is_active: bool = True,
    endpoint: WebhookEndpoint | None = None,
    by: User | None = None,
) -> WebhookEndpoint:
    """Make an endpoint, or change one. It is told of nothing before it has a secret, and of
    nothing that happened before it was made. Turning one on forgets why it was off.

    Raises RefusedError for an address that is not called, unknown events or none, and a client of
    another agency.
    """
    check_address(url)
    known = webhook_types()
    if unknown := sorted(set(types) - known.keys()):
        raise RefusedError(f"There is no event {', '.join(unknown)}.", field="types")
    if not types:
        raise RefusedError("Choose what it is told of.", field="types")
    if client is not None and client.agency_id != agency.pk:
        raise RefusedError(f"{client} is not of {agency}.", field="client")
    saved = endpoint or WebhookEndpoint(agency=agency, created_by=by, created_at=now)
    if is_active and saved.disabled_at is not None:
        saved.disabled_at, saved.disabled_because, saved.failing_since = None, "", None
    saved.url, saved.description, saved.client = url, description, client
    saved.types = [name for name in known if name in types]
    saved.is_active = is_active
    saved.save()
    return saved


def check_address(url: str) -> None:
    """Raise RefusedError for an address that is not called."""
    try:
        check_url(url, allow_local=settings.PORTAL_LOCAL_WEBHOOKS)
    except RefusedAddressError as error:
        raise RefusedError(str(error), field="url") from None


@transaction.atomic
def rotate_secret(
    *,
    endpoint: WebhookEndpoint,
    now: dt.datetime,
    secret: str | None = None,
    by: User | None = None,
) -> tuple[WebhookSecret, str]:
    """Give an endpoint a new secret; returns it with its text, which is shown this one time.

    The one before it goes on signing for `BOTH_VALID_FOR`, so that receivers may change over.
    ``secret``: the text itself, from a form that may come twice: the same makes one secret.
    Locks the endpoint.
    """
    lock_row(WebhookEndpoint.objects.filter(pk=endpoint.pk))
    text = secret or new_secret(secrets.token_bytes(SECRET_BYTES))
    made = WebhookSecret.objects.filter(endpoint=endpoint, secret=text).first()
    if made is not None:
        return made, text
    ends = now + BOTH_VALID_FOR
    endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=ends)).update(expires_at=ends)
    made = WebhookSecret.objects.create(
        endpoint=endpoint, secret=text, created_by=by, created_at=now
    )
    return made, text


def valid_secrets(endpoint: WebhookEndpoint, now: dt.datetime) -> list[str]:
    """What to sign with at ``now``, the newest first."""
    valid = endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    return list(valid.order_by("-pk").values_list("secret", flat=True))


@transaction.atomic
def send_test(*, endpoint: WebhookEndpoint, key: str, now: dt.datetime) -> WebhookDelivery:
    """Queue a message that tests an endpoint; the same ``key`` queues one.

    Raises RefusedError for an endpoint that is off or has no secret.
    """
    if not WebhookEndpoint.objects.listening().filter(pk=endpoint.pk).exists():
        raise RefusedError("Turn it on and make a signing secret first.")
    data = {"endpoint": endpoint.pk, "message": "This is a test."}
    message, _made = WebhookMessage.objects.get_or_create(
        uid=f"msg_test_{key}"[:60],
        defaults={
            "agency_id": endpoint.agency_id,
            "type": TEST_TYPE,
            "body": _body(TEST_TYPE, now, data),
            "occurred_at": now,
            "created_at": now,
        },
    )
    delivery, _made = WebhookDelivery.objects.get_or_create(
        endpoint=endpoint, message=message, defaults={"not_before": now, "created_at": now}
    )
    return delivery


@transaction.atomic
def replay(*, delivery: WebhookDelivery, now: dt.datetime) -> WebhookDelivery:
    """Send a message again, under its own id; one that is on its way is left alone.

    Raises RefusedError where its endpoint is off.
    """
    locked: WebhookDelivery = lock_row(WebhookDelivery.objects.filter(pk=delivery.pk))
    if not delivery.endpoint.is_active:
        raise RefusedError("Its endpoint is off; turn that on first.")
    if locked.state in (WebhookDelivery.State.DELIVERED, WebhookDelivery.State.FAILED):
        locked.state, locked.tries, locked.not_before = WebhookDelivery.State.PENDING, 0, now
        locked.save(update_fields=["state", "tries", "not_before"])
    return locked


# --- Messages ----------------------------------------------------------------------------------


def announce(*, now: dt.datetime) -> int:
    """Write down what endpoints are to be told of; returns how many messages there are now.

    Each message with its deliveries in one transaction. Of several at once, one writes it.
    """
    by_agency: dict[int, list[WebhookEndpoint]] = defaultdict(list)
    for endpoint in WebhookEndpoint.objects.listening().order_by("pk"):
        by_agency[endpoint.agency_id].append(endpoint)
    made = 0
    for agency_id, endpoints in by_agency.items():
        for found in webhook_types().values():
            told = [endpoint for endpoint in endpoints if found.name in endpoint.types]
            for row in _untold(found, agency_id, told, now) if told else ():
                made += _announce(found, row, agency_id, told, now)
    return made


def _untold(
    found: WebhookType, agency_id: int, told: Sequence[WebhookEndpoint], now: dt.datetime
) -> list[Any]:
    since = max(min(endpoint.created_at for endpoint in told), now - HORIZON)
    written = WebhookMessage.objects.filter(type=found.name, row_id=OuterRef("pk"))
    rows = found.rows().filter(~Exists(written), **{f"{found.at}__gte": since})
    return list(rows.for_agency(agency_id).order_by(found.at, "pk")[:BATCH])  # type: ignore[attr-defined]


def _announce(
    found: WebhookType,
    row: Any,
    agency_id: int,
    told: Sequence[WebhookEndpoint],
    now: dt.datetime,
) -> int:
    at: dt.datetime = getattr(row, found.at)
    client_id, is_for_clients = found.client_id(row), found.is_for_clients(row)
    with transaction.atomic():
        message, is_new = WebhookMessage.objects.get_or_create(
            type=found.name,
            row_id=row.pk,
            defaults={
                "agency_id": agency_id,
                "client_id": client_id,
                "uid": f"msg_{secrets.token_hex(16)}",
                "is_for_clients": is_for_clients,
                "body": _body(found.name, at, found.data(row)),
                "occurred_at": at,
                "created_at": now,
            },
        )
        if is_new:
            WebhookDelivery.objects.bulk_create(
                WebhookDelivery(endpoint=endpoint, message=message, not_before=now, created_at=now)
                for endpoint in told
                if endpoint.created_at <= at
                and (
                    endpoint.client_id is None
                    or (endpoint.client_id == client_id and is_for_clients)
                )
            )
    return int(is_new)


def _body(name: str, at: dt.datetime, data: dict[str, Any]) -> str:
    """What is sent, fixed once: a signature is of these very bytes."""
    told = {"type": name, "timestamp": at.astimezone(dt.UTC), "data": data}
    return msgspec.json.encode(told).decode()
