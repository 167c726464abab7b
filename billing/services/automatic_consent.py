"""Switching automatic top-ups on and off: by a client's admins, who consent; off by the agency.

Each locks the row of the automatic top-up alone.
"""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Final

from django.db import transaction

from agencyportal.core.money import format_money, minor_digits
from billing import stripe_gateway as gateway
from billing.models import (
    AutomaticTopUp,
    AutomaticTopUpEvent,
    BillingPeriod,
    TopUpBand,
    TopUpConsent,
    TopUpOrder,
)
from billing.refusals import RefusedError
from billing.stripe_amounts import UnchargeableError, to_stripe
from billing.stripe_gateway import GatewayError
from clients.models import ClientMember, UsageUnit, User, Workspace

from .automatic_mail import tell_stopped
from .automatic_standing import lock_automatic, month_of, note_event
from .automatic_terms import TERMS_VERSION, Wanted, digest_of, terms_of
from .automatic_words import NEEDS_CONSENT, why
from .plans import terms_of as plan_terms_of
from .purchases import period_to_buy_in
from .stripe_customers import customer_of
from .top_up_orders import cancel_order, price_of

MOST_A_MONTH: Final = 100
"""Whoever needs more needs a larger band, or a larger package."""

_Kinds = AutomaticTopUpEvent.Kind
_States = AutomaticTopUp.State
_logger = logging.getLogger(__name__)


def refuse_unfit(*, workspace: Workspace, wanted: Wanted, now: dt.datetime) -> None:
    """Raise RefusedError, by field, for what could not be bought automatically."""
    client, band = workspace.client, wanted.band
    period = period_to_buy_in(workspace, band, now)
    if band.buyer != TopUpBand.Buyer.CLIENT:
        raise RefusedError(f"Only the agency buys {band}.", field="band")
    if buys_itself(period, band.unit):
        raise RefusedError(
            f"The package buys {band.unit.plural} by itself already, by its own rule.", field="band"
        )
    price = price_of(client=client, band=band, currency=period.currency, now=now)
    if price.gross <= 0:
        raise RefusedError(f"{band} costs nothing; have your agency give it.", field="band")
    if wanted.threshold < 0:
        raise RefusedError("Nothing left is the least.", field="threshold")
    if not 1 <= wanted.max_count <= MOST_A_MONTH:
        raise RefusedError(f"From 1 to {MOST_A_MONTH} a month.", field="max_count")
    if wanted.max_amount != round(wanted.max_amount, minor_digits(period.currency)):
        raise RefusedError("Finer than the currency has.", field="max_amount")
    if wanted.max_amount < price.gross:
        raise RefusedError(
            f"One costs {format_money(price.gross, period.currency)} with tax, so nothing could "
            "be bought.",
            field="max_amount",
        )
    _refuse_unpayable(workspace, wanted, price.gross, period.currency)


def buys_itself(period: BillingPeriod, unit: UsageUnit) -> bool:
    """Whether the package of a period buys top-ups of a unit by its own policy. Then nothing else
    does: what falls below both marks would be bought twice."""
    allowances = plan_terms_of(period.plan_version).plan.allowances
    mine = [row for row in allowances if row.unit == unit.slug]
    return any(row.overage.auto_top_up is not None for row in mine)


def _refuse_unpayable(workspace: Workspace, wanted: Wanted, gross: Decimal, currency: str) -> None:
    client = workspace.client
    if wanted.pay == TopUpConsent.Pay.ACCOUNT:
        if not client.automatic_on_account:
            raise RefusedError("Your agency does not allow this on account.", field="pay")
        return
    customer = customer_of(client)
    if customer is None or not customer.has_card:
        raise RefusedError("Save a card first; it is charged for each.", field="pay")
    try:
        to_stripe(gross, currency)
    except UnchargeableError as error:
        raise RefusedError(str(error), field="pay") from error


def switch_on(
    *,
    workspace: Workspace,
    wanted: Wanted,
    shown: str,
    given_by: User,
    now: dt.datetime,
) -> AutomaticTopUp:
    """Have top-ups of the band's unit bought automatically: a consent, which ends the one before.

    ``shown``: the digest of the terms that were on the page; they are kept word for word. The same
    consent again, while it is in force, is the one that is there. Raises RefusedError for anybody
    but an admin of the client, where the terms come to other words by now, and as `refuse_unfit`.
    """
    _refuse_stranger(workspace, given_by)
    refuse_unfit(workspace=workspace, wanted=wanted, now=now)
    terms = terms_of(workspace=workspace, wanted=wanted, now=now)
    if digest_of(terms) != shown:
        raise RefusedError("The terms have changed meanwhile. Please read them again.")
    with transaction.atomic():
        row, _ = AutomaticTopUp.objects.get_or_create(
            workspace=workspace,
            unit=wanted.band.unit,
            defaults={
                "agency_id": workspace.agency_id,
                "client_id": workspace.client_id,
                "look_at": now,
                "created_at": now,
            },
        )
        automatic = lock_automatic(row.pk)
        if _is_in_force(automatic, wanted, terms):
            return automatic
        return _consent(automatic, wanted, terms, given_by, now)


def switch_off(*, automatic: AutomaticTopUp, ended_by: User, now: dt.datetime) -> AutomaticTopUp:
    """Buy nothing more, from now on; by an admin of the client. What waits for somebody to confirm
    it is cancelled. Off already, it stays off. Raises RefusedError."""
    _refuse_stranger(automatic.workspace, ended_by)
    return _end(automatic, _Kinds.SWITCHED_OFF, ended_by, now, detail="")


def switch_off_for_agency(
    *, automatic: AutomaticTopUp, ended_by: User | None, reason: str, now: dt.datetime
) -> AutomaticTopUp:
    """The same by the agency, for a reason that the client's admins are told. On again only they
    can switch it. Raises RefusedError without a reason, and where it is off already."""
    if not reason.strip():
        raise RefusedError("Say why; the client is told.", field="reason")
    if automatic.state == _States.OFF:
        raise RefusedError("It is off already.")
    return _end(automatic, _Kinds.AGENCY_OFF, ended_by, now, detail=reason.strip())


@transaction.atomic
def resume(*, automatic: AutomaticTopUp, resumed_by: User, now: dt.datetime) -> AutomaticTopUp:
    """Go on after it has stopped, under the consent that is in force. Raises RefusedError for
    anybody but an admin of the client, where it is not stopped, and where only another consent
    helps."""
    _refuse_stranger(automatic.workspace, resumed_by)
    locked = lock_automatic(automatic.pk)
    if locked.state != _States.STOPPED or locked.consent is None:
        raise RefusedError("It is not stopped any more.")
    if locked.reason in NEEDS_CONSENT:
        raise RefusedError(f"{why(locked)} Switch it on anew.")
    _go_on(locked, now)
    note_event(locked, locked.consent, _Kinds.RESUMED, now, by=resumed_by)
    return locked


def _refuse_stranger(workspace: Workspace, user: User) -> None:
    is_admin = user.is_active and user.client_memberships.filter(
        client=workspace.client_id, role=ClientMember.Role.ADMIN
    )
    if not is_admin or not is_admin.exists():
        raise RefusedError(f"Only an admin of {workspace.client} may do this.")


def _is_in_force(automatic: AutomaticTopUp, wanted: Wanted, terms: str) -> bool:
    found = automatic.consent
    if automatic.state != _States.ON or found is None or found.terms_version != TERMS_VERSION:
        return False
    return found.terms == terms and (found.band_id, found.pay) == (wanted.band.pk, wanted.pay)


def _consent(
    automatic: AutomaticTopUp, wanted: Wanted, terms: str, given_by: User, now: dt.datetime
) -> AutomaticTopUp:
    before = automatic.consent
    consent = TopUpConsent.objects.create(
        agency_id=automatic.agency_id,
        client_id=automatic.client_id,
        workspace_id=automatic.workspace_id,
        unit_id=automatic.unit_id,
        band=wanted.band,
        threshold=wanted.threshold,
        max_count=wanted.max_count,
        max_amount=wanted.max_amount,
        currency=automatic.client.currency,
        pay=wanted.pay,
        terms_version=TERMS_VERSION,
        terms=terms,
        given_by=given_by,
        given_at=now,
        created_at=now,
    )
    automatic.consent = consent
    _go_on(automatic, now)
    if before is not None:
        note_event(automatic, before, _Kinds.REPLACED, now, by=given_by)
    note_event(automatic, consent, _Kinds.CONSENTED, now, by=given_by)
    month_of(automatic, consent, now)
    return automatic


def _go_on(automatic: AutomaticTopUp, now: dt.datetime) -> None:
    automatic.state = _States.ON
    automatic.reason = automatic.detail = ""
    automatic.declines, automatic.since = 0, now
    automatic.look_at, automatic.looked_used = now, None
    automatic.save()


def _end(
    automatic: AutomaticTopUp, kind: str, by: User | None, now: dt.datetime, *, detail: str
) -> AutomaticTopUp:
    with transaction.atomic():
        locked = lock_automatic(automatic.pk)
        if locked.state == _States.OFF or locked.consent is None:
            return locked
        consent, locked.consent = locked.consent, None
        locked.state, locked.reason, locked.detail = _States.OFF, "", ""
        locked.save(update_fields=["state", "consent", "reason", "detail"])
        event = note_event(locked, consent, kind, now, by=by, detail=detail)
        if kind == _Kinds.AGENCY_OFF:
            tell_stopped(automatic=locked, event=event, now=now)
    _cancel_what_waits(locked, now)
    return locked


def _cancel_what_waits(automatic: AutomaticTopUp, now: dt.datetime) -> None:
    """Outside of the transaction, since Stripe is asked. What cannot be cancelled now is, where
    nobody confirms it, a day after it was ordered."""
    rows = TopUpOrder.objects.select_related("workspace", "band", "client__agency", "agency")
    order = rows.filter(automatic__automatic=automatic, automatic__state="open").first()
    if order is None or not gateway.is_on():
        return
    try:
        if order.intent_id:
            cancel_order(order=order, now=now)
    except GatewayError as error:
        _logger.warning("%s was not cancelled: %s", order, error)
