"""Credit notes, balances and refunds from the admin: shown first, then done, once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from agencyportal.core.periods import local_date
from billing.models import (
    ClientBalance,
    CreditNote,
    Invoice,
    Payment,
    PaymentReversal,
    Refund,
    WriteOff,
)
from billing.services.payments import record_payment
from tests.console.conftest import Story

D = Decimal
KEY = "0" * 32


def see_and_do(browser: Browser, path: str, **said: str) -> tuple[str, Any]:
    """What the preview says, and the answer to sending the same again. What was done is sent once
    more, as a double click does, and answered alike."""
    sent = {"key": KEY, **said}
    answer, words = browser.post(path, sent), ""
    if answer.status_code == 200 and answer.context["preview"]:
        words = " · ".join(f"{name}: {value}" for name, value in answer.context["preview"])
        sent["seen"] = answer.context["form"].data["seen"]
        answer = browser.post(path, sent)
    if answer.status_code == 302:
        assert browser.post(path, sent).status_code == 302
    return words, answer


def of_invoice(story: Story, what: str) -> str:
    return f"/admin/billing/invoice/{story.invoice.pk}/{what}/"


@pytest.fixture
def paid(story: Story) -> Payment:
    """60.00 for an invoice over 49.00."""
    moment = timezone.now()
    return record_payment(
        invoice=story.invoice,
        amount=D(60),
        currency="USD",
        method="bank_transfer",
        reference="RF18",
        received_at=moment,
        now=moment,
        key="p",
    )


def test_more_than_is_due_is_shown_before_it_is_kept(story: Story, as_manager: Browser) -> None:
    words, done = see_and_do(
        as_manager,
        of_invoice(story, "record-payment"),
        amount="49.01",
        received_at=f"{timezone.now() - dt.timedelta(days=1):%Y-%m-%d}",
        method="bank_transfer",
        reference="RF18",
    )
    assert words == "Settles: $49.00 · Kept as the client's balance: $0.01"
    assert done.status_code == 302
    assert ClientBalance.objects.get().amount == D("0.01")


def test_a_line_is_credited_in_part(story: Story, as_manager: Browser) -> None:
    line = story.invoice.lines.get()
    words, done = see_and_do(
        as_manager,
        of_invoice(story, "credit"),
        **{f"amount_{line.pk}": "9.00", "reason": "Sorry", "to": "balance"},
    )
    assert "Credit note over: $9.00 · No longer due: $9.00" in words
    assert done.status_code == 302
    assert Invoice.objects.get().amount_due == D(40)


def test_more_than_a_line_has_is_refused(story: Story, as_manager: Browser) -> None:
    line = story.invoice.lines.get()
    _, done = see_and_do(
        as_manager,
        of_invoice(story, "credit"),
        **{f"amount_{line.pk}": "49.01", "reason": "Sorry", "to": "balance"},
    )
    assert "can be taken back" in str(done.context["form"].errors)
    assert not CreditNote.objects.exists()


def test_a_void_invoice_pays_back_what_was_paid(
    story: Story, paid: Payment, as_manager: Browser
) -> None:
    words, done = see_and_do(
        as_manager, of_invoice(story, "credit"), everything="on", reason="Wrong client", to="payer"
    )
    assert "Paid back to the client: $49.00" in words
    assert done.status_code == 302
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.state) == (paid, D(49), "pending")
    assert Invoice.objects.get().state == "void"
    assert ClientBalance.objects.get().amount == D(11)
    sent = f"/admin/billing/refund/{refund.pk}/sent/"
    assert see_and_do(as_manager, sent, reference="Wire 7")[1].status_code == 302
    refund.refresh_from_db()
    assert (refund.state, refund.reference) == ("succeeded", "Wire 7")


def test_an_invoice_is_given_up(story: Story, as_manager: Browser) -> None:
    _, done = see_and_do(as_manager, of_invoice(story, "write-off"), reason="Insolvent")
    assert done.status_code == 302
    assert WriteOff.objects.get().amount == D(49)
    page = as_manager.get(f"/admin/billing/invoice/{story.invoice.pk}/change/").content.decode()
    assert "Uncollectible" in page


def test_a_payment_bounces(story: Story, paid: Payment, as_manager: Browser) -> None:
    path = f"/admin/billing/payment/{paid.pk}/reverse/"
    said = {"amount": "60", "cause": "bounced", "reason": "No funds"}
    day = local_date(paid.received_at, paid.agency.timezone)
    _, refused = see_and_do(as_manager, path, reversed_at=f"{day - dt.timedelta(days=1)}", **said)
    assert "was received" in refused.content.decode()
    _, done = see_and_do(as_manager, path, reversed_at=f"{day}", **said)
    assert done.status_code == 302
    assert PaymentReversal.objects.get().off_invoice == D(49)
    assert Invoice.objects.get().state == "issued"


def test_a_balance_is_paid_back_and_adjusted_by_the_operator_alone(
    story: Story, paid: Payment, as_manager: Browser, as_operator: Browser
) -> None:
    row = ClientBalance.objects.get()
    path = f"/admin/billing/clientbalance/{row.pk}"
    words, done = see_and_do(as_manager, f"{path}/refund/", amount="5", reason="Asked")
    assert words == "Paid back: $5.00, by bank transfer · Balance after it: $6.00"
    assert done.status_code == 302
    assert as_manager.get(f"{path}/adjust/").status_code == 403
    words, done = see_and_do(as_operator, f"{path}/adjust/", amount="-1", reason="Rounding")
    assert words == "Balance after it: $5.00"
    assert done.status_code == 302
    row.refresh_from_db()
    assert row.amount == D(5)


@pytest.mark.parametrize("what", ["credit", "write-off", "use-balance"])
def test_outsiders_find_nothing(story: Story, as_outsider: Browser, what: str) -> None:
    assert as_outsider.get(of_invoice(story, what)).status_code == 404
    assert as_outsider.post(of_invoice(story, what), {"key": KEY}).status_code == 404


def test_an_overdue_invoice_says_so(story: Story, as_manager: Browser, monkeypatch: Any) -> None:
    later = timezone.localdate() + dt.timedelta(days=60)
    monkeypatch.setattr("billing.admin.invoices.localdate", lambda: later)
    page = as_manager.get("/admin/billing/invoice/?payment=overdue").content.decode()
    assert "Overdue" in page
    assert str(story.invoice) in page
