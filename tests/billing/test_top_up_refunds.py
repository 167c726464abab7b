"""A top-up is given back for what is unused of it: units, credit note, money."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import ClientBalance, CreditNote, GrantRevocation, Invoice, Refund
from billing.refusals import RefusedError
from billing.selectors.balances import left_of
from billing.services.invoicing import draft_invoices, issue_due_invoices
from billing.services.payments import record_payment
from billing.services.purchases import buy_on_account
from billing.services.top_up_refunds import refund_top_up

from .plan_samples import NEW_YORK_2026, band, starter
from .story import close, periods_of, subscribe, use

JANUARY, FEBRUARY = NEW_YORK_2026[1], NEW_YORK_2026[2]
HOUR = dt.timedelta(hours=1)
D = Decimal

pytestmark = pytest.mark.usefixtures("platform")


@pytest.fixture
def purchase(acme_support, conversation):
    """500 more for 60.00, never expiring; 1,200 used, so that 300 of them are left."""
    bands = [band(expires="never", quantity="500", price="60.00")]
    version = subscribe(acme_support, starter(top_ups=bands), JANUARY).plan_version
    bought = buy_on_account(
        workspace=acme_support, band=version.top_ups.get(), now=JANUARY + HOUR, key="more"
    )
    use(acme_support, conversation, JANUARY + 2 * HOUR, 1200)
    return bought


@pytest.fixture
def invoiced(purchase, acme_support) -> Invoice:
    period = close(periods_of(acme_support)[0])
    draft_invoices(now=period.due_at)
    issue_due_invoices(now=period.due_at)
    return Invoice.objects.get(lines__charge__key=f"top_up:{purchase.pk}")


NOW = FEBRUARY + dt.timedelta(days=3)


def give_back(purchase, **said) -> CreditNote:
    facts = {"reason": "Not needed", "refunded_by": None, "now": NOW, "key": "k", **said}
    return refund_top_up(purchase=purchase, **facts)


def test_what_is_unused_is_worth_its_share_of_the_price(purchase, invoiced):
    """60.00 x 300 / 500 = 36.00."""
    note = give_back(purchase)
    assert (note.invoice, note.net) == (invoiced, D(36))
    assert GrantRevocation.objects.get().quantity == D(300)
    assert left_of(purchase.grant, now=NOW) == 0
    assert give_back(purchase) == note
    assert CreditNote.objects.count() == 1


def test_a_part_takes_its_part_of_the_units(purchase, invoiced):
    give_back(purchase, amount=D(12))
    assert GrantRevocation.objects.get().quantity == D(100)
    with pytest.raises(RefusedError, match=r"200 .* are unused, worth \$24.00"):
        give_back(purchase, amount=D("24.01"), key="again")


def test_more_takes_somebodys_word(purchase, invoiced):
    with pytest.raises(RefusedError, match=r"worth \$36.00; \$60.00 is more"):
        give_back(purchase, amount=D(60))
    note = give_back(purchase, amount=D(60), override=True)
    assert note.net == D(60)
    assert GrantRevocation.objects.get().quantity == D(300)


def test_what_was_paid_goes_back_to_its_payment(purchase, invoiced, acme):
    payment = record_payment(
        invoice=invoiced,
        amount=invoiced.total,
        currency="USD",
        method="card",
        reference="card",
        received_at=NOW,
        now=NOW,
        key="p",
        provider_id="pi_1",
    )
    note = give_back(purchase, to_payer=True)
    refund = Refund.objects.get()
    assert (refund.payment, refund.method, refund.credit_note) == (payment, "provider", note)
    assert refund.amount == note.total
    assert ClientBalance.objects.get(client=acme).amount == 0


def test_what_is_on_no_invoice_yet_cannot_be_given_back(purchase):
    with pytest.raises(RefusedError, match="on no invoice yet"):
        give_back(purchase, now=JANUARY + 3 * HOUR)
    assert not GrantRevocation.objects.exists()
