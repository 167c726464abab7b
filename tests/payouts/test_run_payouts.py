"""`manage.py run_payouts` from the command line, and the same work from the schedule."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from decimal import Decimal
from io import StringIO

import pytest
from django.core import mail
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from billing.models import DocumentSeries
from payouts.models import Earning, Payout, StatementDocument
from payouts.tasks import tick_earnings, tick_payouts, tick_statements

from .books import Line, closed_period, frozen_usage, issued_invoice, pay, subscription

D = Decimal
AS_OF = "2026-03-01T05:00:00Z"


@pytest.fixture
def books(acme_support, conversation, owner):
    """Acme's January, paid on 10 February: 20.00 of overage at a cost of 5.00."""
    january = closed_period(subscription(acme_support))
    frozen_usage(january, conversation, used="200", platform_cost="5.00")
    invoice = issued_invoice(january, Line("overage", "20.00", conversation), number="INV-1")
    pay(invoice, "20.00", dt.datetime(2026, 2, 10, tzinfo=dt.UTC))


def run(*args: str) -> str:
    out = StringIO()
    call_command("run_payouts", *args, stdout=out, stderr=out)
    return out.getvalue()


def test_it_posts_builds_renders_and_sends_and_says_so(books):
    said = run("--as-of", AS_OF)

    assert "2 earnings posted, 1 payouts made up." in said
    assert "1 statements rendered, 1 messages sent." in said
    row = next(line for line in said.splitlines() if line.startswith("northwind"))
    assert re.split(r"\s{2,}", row) == [
        *("northwind", "2026-02", "PAY-2026-000001"),
        *("$0.00", "$20.00", "-$5.00", "$0.00", "$0.00", "$15.00", "$0.00", "Draft"),
    ]
    document = StatementDocument.objects.get()
    with storages["documents"].open(document.path) as file:
        content = file.read()
    assert content.startswith(b"%PDF")
    assert hashlib.sha256(content).hexdigest() == document.sha256
    [message] = mail.outbox
    assert message.to == ["owner@northwind.example"]
    assert message.attachments[0][0] == "PAY-2026-000001.pdf"


def test_run_again_it_changes_and_sends_nothing(books):
    run("--as-of", AS_OF)
    document = StatementDocument.objects.get()

    said = run("--as-of", AS_OF)

    assert "0 earnings posted, 0 payouts made up." in said
    assert "0 statements rendered, 0 messages sent." in said
    assert StatementDocument.objects.get().sha256 == document.sha256
    assert len(mail.outbox) == 1


def test_a_dry_run_says_the_same_and_changes_nothing(books):
    said = run("--as-of", AS_OF, "--dry-run")

    assert "2 earnings would be posted, 1 payouts would be made up." in said
    assert "$15.00" in said
    assert not Earning.objects.exists()
    assert not Payout.objects.exists()
    assert not DocumentSeries.objects.filter(code="payout-2026").exists()
    assert mail.outbox == []


def test_an_instant_without_an_offset_is_utc(books):
    assert "0 payouts" in run("--as-of", "2026-03-01T04:59:59")
    assert "1 payouts" in run("--as-of", "2026-03-01T05:00:00")


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30T00:00:00Z"])
def test_an_instant_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(CommandError, match="ISO 8601 instant such as"):
        run("--as-of", text)


def test_what_fails_is_named_and_the_rest_is_done(books, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("the books are wet")

    monkeypatch.setattr("payouts.services.earnings.revenue_of", fail)
    with pytest.raises(CommandError, match=r"invoice \d+: the books are wet"):
        run("--as-of", AS_OF)

    assert Payout.objects.get().closing == D("-5.00")


def test_the_ticks_do_the_same_and_twice_is_once(books):
    for _ in range(2):
        tick_earnings()
        tick_payouts()
        tick_statements()

    payouts = Payout.objects.order_by("month")
    assert payouts[0].amount == D("15.00")
    assert StatementDocument.objects.filter(state="rendered").count() == payouts.count()
    assert Earning.objects.count() == 2
