"""What a client's admins are told about automatic top-ups: each thing once, in its transaction."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from billing.models import AutomaticPurchase, AutomaticTopUp, AutomaticTopUpEvent

from .alert_mail import admins_of
from .automatic_words import why
from .letterhead import letterhead
from .mailing import message, queue_mail


def page_of(automatic: AutomaticTopUp) -> str:
    """The portal's page on which it is switched on, resumed and switched off."""
    path = f"/portal/{automatic.client_id}/automatic/{automatic.workspace_id}/{automatic.unit_id}/"
    return f"{settings.PORTAL_BASE_URL}{path}"


def tell_declined(
    *, automatic: AutomaticTopUp, purchase: AutomaticPurchase, now: dt.datetime
) -> None:
    """A purchase failed: why, and when it is tried again, or that it has stopped."""
    is_over = automatic.state != AutomaticTopUp.State.ON
    _queue(
        automatic,
        "declined",
        f"declined:{purchase.pk}",
        now,
        failure=purchase.failure,
        again=None if is_over else automatic.look_at,
        **_about(purchase),
    )


def tell_to_confirm(*, purchase: AutomaticPurchase, until: dt.datetime, now: dt.datetime) -> None:
    """The bank wants its holder: where to go, and until when."""
    automatic = purchase.automatic
    path = f"/portal/{automatic.client_id}/orders/{purchase.order_id}/"
    link = f"{settings.PORTAL_BASE_URL}{path}"
    key = f"confirm:{purchase.pk}"
    _queue(automatic, "confirm", key, now, until=until, link=link, **_about(purchase))


def tell_stopped(
    *, automatic: AutomaticTopUp, event: AutomaticTopUpEvent, now: dt.datetime
) -> None:
    """It has stopped, or the agency has switched it off: why."""
    kind = "agency_off" if event.kind == AutomaticTopUpEvent.Kind.AGENCY_OFF else "stopped"
    said = event.detail if kind == "agency_off" else why(automatic)
    _queue(automatic, kind, f"event:{event.pk}", now, why=said)


def tell_maximum(*, automatic: AutomaticTopUp, month: dt.date, now: dt.datetime) -> None:
    """The maximum of a month is reached; once a month."""
    _queue(automatic, "maximum", f"maximum:{automatic.pk}:{month}", now, again=automatic.look_at)


def _about(purchase: AutomaticPurchase) -> dict[str, Any]:
    return {"band": purchase.band.name, "amount": purchase.gross, "left": purchase.left}


def _queue(automatic: AutomaticTopUp, kind: str, key: str, now: dt.datetime, **facts: Any) -> None:
    client, agency = automatic.client, automatic.client.agency
    formats = Formats(client.language, client.currency)
    with translation.override(formats.language):
        told = {
            "kind": kind,
            "client": client.name,
            **letterhead(agency, formats),
            "workspace": automatic.workspace.name,
            "units": automatic.unit.plural,
            "link": page_of(automatic),
            **{
                name: _written(value, name, formats, client.timezone)
                for name, value in facts.items()
            },
        }
        queue_mail(
            message(
                agency=agency,
                client=client,
                key=f"automatic-top-up:{key}",
                recipients=admins_of(client),
                subject=render_to_string("mail/automatic_top_up_subject.txt", told),
                body_text=render_to_string("mail/automatic_top_up.txt", told),
                body_html=render_to_string("mail/automatic_top_up.html", told),
                now=now,
            )
        )


def _written(value: Any, name: str, formats: Formats, timezone: str) -> str:
    if isinstance(value, dt.datetime):
        return formats.moment(value, timezone)
    if isinstance(value, Decimal):
        return formats.money(value) if name == "amount" else formats.quantity(value)
    return value or ""
