"""Where Stripe sends its events: made at Stripe, and known to dj-stripe, which verifies them."""

from __future__ import annotations

import datetime as dt
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from billing import stripe_gateway as gateway
from billing.refusals import RefusedError
from billing.stripe_gateway import NotThereError
from billing.stripe_handlers import handled_types

CALLS_KEPT_FOR: Final = dt.timedelta(days=30)
REFUSED_CALLS_KEPT_FOR: Final = dt.timedelta(days=1)
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def connect_endpoint() -> str:
    """Have Stripe send us every event that somebody here handles; the address.

    One that is there is changed where it lacks some. Raises GatewayError, and RefusedError where
    Stripe could not reach PORTAL_BASE_URL.
    """
    gateway.refuse_off()
    base = settings.PORTAL_BASE_URL
    if urlsplit(base).hostname in LOOPBACK:
        raise RefusedError(
            f"Stripe cannot reach {base}. Set PORTAL_BASE_URL to the portal's public address; or "
            "forward events to this machine with Stripe's own command line, and give its secret "
            "with --secret, as docs/stripe.md says."
        )
    known = WebhookEndpoint.objects.filter(
        url__startswith=f"{base}/", livemode=settings.STRIPE_LIVE_MODE
    ).first()
    if known is not None and _change(known):
        return str(known.url)
    return _create(base)


def keep_endpoint(*, secret: str) -> str:
    """Take events signed with ``secret``, which somebody got elsewhere; the address for them."""
    row, _ = WebhookEndpoint.objects.update_or_create(
        id="we_forwarded",
        defaults={
            "secret": secret,
            "livemode": settings.STRIPE_LIVE_MODE,
            "enabled_events": ["*"],
            "status": "enabled",
        },
    )
    row.url = settings.PORTAL_BASE_URL + path_of(row.djstripe_uuid)
    row.save(update_fields=["url"])
    return str(row.url)


def forget_old_calls(*, now: dt.datetime) -> int:
    """Delete what dj-stripe keeps of every call it got, with its headers: after a month, and after
    a day where the signature was wrong. Events are kept in the inbox. Returns how many."""
    old = Q(created__lt=now - CALLS_KEPT_FOR)
    refused = Q(valid=False, created__lt=now - REFUSED_CALLS_KEPT_FOR)
    deleted, _ = WebhookEventTrigger.objects.filter(old | refused).delete()
    return int(deleted)


def path_of(uuid: object) -> str:
    """The path at which dj-stripe takes an endpoint's events."""
    return reverse("djstripe:djstripe_webhook_by_uuid", args=[uuid])


def _change(known: WebhookEndpoint) -> bool:
    events = handled_types()
    try:
        gateway.change_endpoint(known.id, events=events)
    except NotThereError:
        known.delete()
        return False
    known.enabled_events = events
    known.save(update_fields=["enabled_events"])
    return True


def _create(base: str) -> str:
    uuid = uuid4()
    made = gateway.create_endpoint(
        url=base + path_of(uuid), events=handled_types(), uuid=str(uuid), key=f"endpoint:{uuid}"
    )
    WebhookEndpoint.objects.create(
        id=made.id,
        url=made.url,
        secret=made.secret,
        api_version=made.api_version,
        enabled_events=list(made.events),
        status="enabled",
        livemode=made.is_live,
        djstripe_uuid=uuid,
    )
    return made.url
