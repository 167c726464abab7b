"""The message with which a client's admins are asked whether usage goes on past its credit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from agencyportal.core.formats import Formats
from billing.models import Mail, OverageQuestion
from billing.overage_documents import OverageDocument
from billing.rating import CostPlus, overage_price
from billing.selectors.balances import Balance

from .alert_mail import admins_of
from .letterhead import letterhead
from .mailing import message, queue_mail


def queue_question_mail(*, question: OverageQuestion, balance: Balance, now: dt.datetime) -> Mail:
    """Queue it, in the transaction of the question."""
    client, workspace = question.client, question.workspace
    with translation.override(Formats(client.language, client.currency).language):
        told = _context(question, balance)
        mail = message(
            agency=workspace.agency,
            client=client,
            key=f"question:{question.pk}",
            recipients=admins_of(client),
            subject=render_to_string("mail/question_subject.txt", told),
            body_text=render_to_string("mail/question.txt", told),
            body_html=render_to_string("mail/question.html", told),
            now=now,
        )
    return queue_mail(mail)


def most_until_answered(
    overage: OverageDocument, up_to: Decimal, currency: str, *, cap: Decimal | None = None
) -> Decimal | None:
    """What is charged at most until a question is answered; None where that depends on cost.
    ``cap``: the most in a period, where ``overage`` does not say it itself."""
    cap = overage.cap_amount if cap is None else cap
    if overage.pricing is None or isinstance(overage.pricing, CostPlus):
        return cap
    return overage_price(overage.pricing, up_to, currency=currency, cap_amount=cap)


def _context(question: OverageQuestion, balance: Balance) -> dict[str, Any]:
    client, unit, period = question.client, question.unit, question.period
    formats = Formats(client.language, period.currency)
    overage = balance.allowance.overage if balance.allowance else None
    most = most_until_answered(overage, question.up_to, period.currency) if overage else None
    return {
        "client": client.name,
        **letterhead(question.workspace.agency, formats),
        "workspace": question.workspace.name,
        "units": unit.plural,
        "granted": formats.quantity(balance.granted),
        "up_to": formats.quantity(question.up_to),
        "most": "" if most is None else formats.money(most),
        "answer_by": formats.moment(question.answer_by, client.timezone),
        "link": f"{settings.PORTAL_BASE_URL}/portal/{client.pk}/questions/{question.pk}/",
    }
