"""Clients as Stripe's customers: made when first needed, told of changes, and their saved card.

Stripe is called outside of transactions: the key makes a customer once, and the row follows.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F

from billing import stripe_gateway as gateway
from billing.models import StripeCustomer
from billing.refusals import RefusedError
from billing.stripe_gateway import Card, CustomerDetails, GatewayError, NotThereError
from clients.models import Client

LONGEST_ERROR: Final = 500
CARD: Final = (
    "card_id",
    "card_kind",
    "card_brand",
    "card_last4",
    "card_exp_month",
    "card_exp_year",
)
"""What is noted of a card."""

_logger = logging.getLogger(__name__)


def customer_of(client: Client) -> StripeCustomer | None:
    """A client's customer in the mode in use; None before it paid there, or without Stripe."""
    if not gateway.is_on():
        return None
    return StripeCustomer.objects.filter(client=client, is_live=settings.STRIPE_LIVE_MODE).first()


def ensure_customer(*, client: Client, now: dt.datetime) -> StripeCustomer:
    """The client's customer, made at Stripe if there is none yet. Raises GatewayError.

    Two at once make one: Stripe by the key, we by a unique constraint. A customer that was deleted
    at Stripe is replaced by a new one, when that is noticed (`tell_customer`).
    """
    gateway.refuse_off()
    known = customer_of(client)
    if known is not None:
        return known
    details = details_of(client)
    mode = "live" if settings.STRIPE_LIVE_MODE else "test"
    customer_id = gateway.create_customer(details, key=f"customer:{mode}:{client.pk}")
    StripeCustomer.objects.bulk_create(
        [
            StripeCustomer(
                agency_id=client.agency_id,
                client=client,
                is_live=settings.STRIPE_LIVE_MODE,
                customer_id=customer_id,
                told=asdict(details),
                told_at=now,
                created_at=now,
            )
        ],
        ignore_conflicts=True,
    )
    return StripeCustomer.objects.get(client=client, is_live=settings.STRIPE_LIVE_MODE)


def details_of(client: Client) -> CustomerDetails:
    """What Stripe is told of a client."""
    return CustomerDetails(
        name=client.printed_name,
        email=client.email,
        line1=client.address_line1,
        line2=client.address_line2,
        postal_code=client.postal_code,
        city=client.city,
        state=client.region,
        country=client.country,
        tax_id=client.tax_id,
        language=client.language,
        reference=f"{client.agency.slug}/{client.slug}",
    )


def tell_changed_customers(*, now: dt.datetime, limit: int) -> int:
    """Tell Stripe of clients whose name, address, mail, tax id or language changed since it was
    told; at most ``limit``. Returns how many. One that fails holds up no other, and is tried
    again at the next tick."""
    if not gateway.is_on():
        return 0
    rows = StripeCustomer.objects.filter(is_live=settings.STRIPE_LIVE_MODE)
    changed = []
    for row in rows.select_related("client__agency").order_by(F("error").asc(), "pk").iterator():
        if row.told != asdict(details_of(row.client)):
            changed.append(row)
        if len(changed) == limit:
            break
    return sum(tell_customer(customer=row, now=now) for row in changed)


def tell_customer(*, customer: StripeCustomer, now: dt.datetime) -> bool:
    """Tell Stripe what a client is called now; whether that worked. What did not is on the row."""
    details = details_of(customer.client)
    mine = StripeCustomer.objects.filter(pk=customer.pk)
    try:
        gateway.update_customer(customer.customer_id, details)
    except NotThereError:
        return _replace(customer, details, now)
    except GatewayError as error:
        _logger.warning("Stripe was not told of %s: %s", customer.client, error)
        mine.update(error=str(error)[:LONGEST_ERROR])
        return False
    mine.update(told=asdict(details), told_at=now, error="")
    return True


def _replace(customer: StripeCustomer, details: CustomerDetails, now: dt.datetime) -> bool:
    """Somebody deleted it at Stripe, and its card with it: the client gets another one."""
    mine = StripeCustomer.objects.filter(pk=customer.pk, customer_id=customer.customer_id)
    try:
        customer_id = gateway.create_customer(details, key=f"instead-of:{customer.customer_id}")
    except GatewayError as error:
        mine.update(error=str(error)[:LONGEST_ERROR])
        return False
    customer.customer_id = customer_id
    StripeCustomer.objects.filter(pk=customer.pk).update(
        customer_id=customer_id, told=asdict(details), told_at=now, error=""
    )
    _note_card(customer, None, now)
    return True


# --- The saved card ------------------------------------------------------------------------------


def read_card(*, customer: StripeCustomer, now: dt.datetime) -> StripeCustomer:
    """Look at Stripe which method is saved, and note what people may see of it. Raises
    GatewayError."""
    return _note_card(customer, gateway.read_default_card(customer.customer_id), now)


def open_card_page(
    *, client: Client, success_url: str, cancel_url: str, key: str, now: dt.datetime
) -> str:
    """The address of Stripe's page on which the client saves a card, or another one in place of
    the one that is there. Raises GatewayError."""
    customer = ensure_customer(client=client, now=now)
    page = gateway.open_card_page(
        customer_id=customer.customer_id,
        currency=client.currency,
        success_url=success_url,
        cancel_url=cancel_url,
        language=client.language,
        key=f"card:{client.pk}:{key}",
    )
    return page.url


def take_saved_card(*, customer: StripeCustomer, page_id: str, now: dt.datetime) -> StripeCustomer:
    """Charge a client from now on on the card that it saved on Stripe's page ``page_id``.

    Safe to repeat: the page's return and Stripe's event both call it. The card that was charged
    before is taken off. Of two pages the card that was saved later stays, whichever is told of
    first. Raises GatewayError, and RefusedError for a page of somebody else's.
    """
    page = gateway.read_card_page(page_id)
    if page.customer_id != customer.customer_id:
        raise RefusedError("This page belongs to somebody else.")
    if page.card is None:
        return customer
    before = gateway.read_default_card(customer.customer_id)
    if before is not None and before.id == page.card_id:
        return _note_card(customer, before, now)
    if before is not None and _is_older(page.card, before):
        _forget(page.card)
        return _note_card(customer, before, now)
    card = gateway.use_card(customer.customer_id, page.card_id)
    if before is not None:
        _forget(before)
    return _note_card(customer, card, now)


def _is_older(card: Card, than: Card) -> bool:
    return bool(card.created_at and than.created_at and card.created_at < than.created_at)


def remove_card(*, customer: StripeCustomer, now: dt.datetime) -> StripeCustomer:
    """Take the saved card off at Stripe: nothing is charged on it any more. Raises GatewayError."""
    card = gateway.read_default_card(customer.customer_id)
    if card is not None:
        _forget(card)
    return _note_card(customer, None, now)


def _forget(card: Card) -> None:
    try:
        gateway.forget_card(card.id)
    except NotThereError:
        _logger.info("the card %s was taken off before", card.id)


@transaction.atomic
def _note_card(customer: StripeCustomer, card: Card | None, now: dt.datetime) -> StripeCustomer:
    customer.card_id = card.id if card else ""
    customer.card_kind = card.kind if card else ""
    customer.card_brand = card.brand if card else ""
    customer.card_last4 = card.last4 if card else ""
    customer.card_exp_month = card.exp_month if card else None
    customer.card_exp_year = card.exp_year if card else None
    customer.card_read_at = now
    customer.save(update_fields=[*CARD, "card_read_at"])
    return customer
