"""Killed at any point of pricing, closing, drafting, issuing, settling, paying out, rendering and
sending: what is left is whole, and the next process ends where an undisturbed one would have."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection, transaction

from billing.documents.invoice import render_invoice
from billing.models import (
    BillingPeriod,
    Charge,
    CreditGrant,
    DocumentSeries,
    GrantUse,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    LateEntry,
    LateSettlement,
    Mail,
    PeriodUsage,
)
from clients.models import (
    Agency,
    Client,
    ModelPrice,
    UsagePricing,
    UsageUnit,
    UsageWindow,
    Workspace,
)
from clients.services.recording import SubmittedEvent, TokenUsage, record_events
from payouts.models import Earning, Payout, PayoutItem
from tests.billing.plan_samples import NEW_YORK_2026, allowance, starter
from tests.billing.story import subscribe, use
from tests.killed.mortal_run import AS_OF, Death, close_and_issue

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
JANUARY = NEW_YORK_2026[1]
SERVICES = "billing.services"
DEATHS = [
    Death("clients.services.price_again", "_write", "after"),
    Death("clients.services.price_again", "_write", "before", 2),  # the first part is priced
    Death(f"{SERVICES}.closing", "make_periods", "after"),
    Death(f"{SERVICES}.closing", "freeze", "after"),
    Death(f"{SERVICES}.closing", "_settle", "after"),  # all is written, nothing is committed
    Death(f"{SERVICES}.closing", "_settle", "after", 2),  # the first batch is closed
    Death(f"{SERVICES}.drafting", "draft_payers", "before"),
    Death(f"{SERVICES}.drafting", "write_lines", "after"),
    Death(f"{SERVICES}.drafting", "draft_payers", "after"),  # the first batch is drafted
    Death(f"{SERVICES}.invoicing", "take_numbers", "after"),
    Death(f"{SERVICES}.invoicing", "queue_mails", "after"),
    Death(f"{SERVICES}.invoicing", "queue_mails", "after", 2),  # the first batch is issued
    Death(f"{SERVICES}.late_usage", "settle_unit", "after"),
    Death(f"{SERVICES}.late_usage", "settle_pending", "after", 2),  # one workspace has settled
    Death("payouts.services.earnings", "_store", "after"),
    Death("payouts.services.payouts", "_freeze", "after"),
    Death(f"{SERVICES}.rendering", "store_document", "before"),
    Death(f"{SERVICES}.rendering", "store_document", "after"),  # on disk, and nobody knows
    Death(f"{SERVICES}.mailing", "_send", "before"),
    Death(f"{SERVICES}.mailing", "_message", "after"),  # under way, and nobody knows
]
LIVES = Death(f"{SERVICES}.rendering", "store_document", "after", 99)

SAID: dict[Any, tuple[str, ...]] = {
    Workspace: ("slug", "settled_until"),
    UsageWindow: ("workspace__slug", "unit__slug", "start", "end", "used"),
    BillingPeriod: ("workspace__slug", "start", "end", "due_at", "state", "closed_at"),
    PeriodUsage: ("period__workspace__slug", "used", "included", "overage", "overage_amount"),
    CreditGrant: ("workspace__slug", "kind", "quantity", "effective_at", "expires_at"),
    GrantUse: ("grant__workspace__slug", "opening", "consumed", "expired", "rolled_over"),
    Charge: ("workspace__slug", "kind", "description", "quantity", "amount", "bill_at"),
    Invoice: ("number", "client__slug", "state", "net", "tax", "total", "snapshot"),
    InvoiceLine: ("invoice__number", "position", "description", "net", "tax_category"),
    InvoiceDocument: ("invoice__number", "path"),
    Mail: ("key", "recipients", "subject", "body_text"),
    UsagePricing: ("event__external_id", "workspace__slug", "standing", "client_cost"),
    LateSettlement: ("workspace__slug", "number", "quantity", "overage_amount"),
    LateEntry: ("event__external_id", "workspace__slug", "settlement__number"),
    Earning: ("kind", "workspace__slug", "amount", "occurred_at"),
    Payout: ("number", "month", "opening", "routed_cost", "amount", "closing"),
    PayoutItem: ("payout__number", "earning__workspace__slug", "earning__amount"),
    DocumentSeries: ("code", "next_number"),
}


def said() -> dict[str, list[str]]:
    """What every row says, without the keys that a database makes up: those in links, too. A killed
    transaction has used some up, on PostgreSQL."""
    return {
        model._meta.label: sorted(
            re.sub(r"/invoices/\d+/", "/invoices/its-own/", repr(row))
            for row in model.objects.values_list(*names)
        )
        for model, names in SAID.items()
    }


@pytest.fixture
def month(northwind: Agency, conversation: UsageUnit) -> None:
    """Three clients at the end of January: overage, rollover, and a minimum that is not reached."""
    plan = starter(allowances=[allowance(rollover_max="300")], minimum_commitment="50")
    for number, used in enumerate((1200, 400, 1000)):
        client = Client.objects.create(
            agency=northwind, slug=f"c{number}", name=f"Client {number}", email="c@example.com"
        )
        workspace = Workspace.objects.create(
            agency=northwind, client=client, slug=f"w{number}", name=f"Workspace {number}"
        )
        subscribe(workspace, plan, JANUARY)
        use(workspace, conversation, JANUARY + dt.timedelta(hours=1), used)
        unpriced = SubmittedEvent(
            id="unpriced",
            unit="conversation",
            time=JANUARY + dt.timedelta(days=1),
            model="new-model",
            usage=TokenUsage(input_tokens=1_000_000, output_tokens=0),
        )
        record_events(workspace=workspace, events=[unpriced], now=AS_OF)
    ModelPrice.objects.create(
        cost_payer="platform",
        model="new-model",
        input_price=2,
        output_price=2,
        effective_from=JANUARY,
    )


def undisturbed() -> tuple[dict[str, list[str]], dict[str, bytes]]:
    """What one run says, and its files; taken back."""
    with transaction.atomic():
        close_and_issue()
        documents = InvoiceDocument.objects.select_related("invoice")
        files: dict[str, bytes] = {}
        for row in documents:
            made = render_invoice(row.invoice.snapshot or {})
            files |= {row.path: made.pdf} | ({row.xml_path: made.xml} if made.xml else {})
        rows = said()
        transaction.set_rollback(True)
    return rows, files


def killed(deaths: list[Death], folder: Path) -> list[int]:
    """What processes died of that work on our database, one after the other. Without their mail:
    that may go out twice."""
    ours = connection.settings_dict
    url = f"sqlite:///{ours['NAME']}"
    if connection.vendor == "postgresql":
        user = f"{quote(ours['USER'])}:{quote(ours['PASSWORD'])}"
        url = f"postgres://{user}@{ours['HOST']}:{ours['PORT']}/{ours['NAME']}"
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "agencyportal.settings",
        "PORTAL_DATA_DIR": str(folder),
        "PORTAL_ENV_FILE": os.devnull,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed.mortal_run", json.dumps(deaths)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def test_processes_that_are_killed_leave_what_one_would_have_made(
    month: None, tmp_path: Path, settings: Any
) -> None:
    rows, files = undisturbed()
    assert Invoice.objects.count() == 0
    connection.close()  # SQLite: nobody else has the file open

    died_of = killed([*DEATHS, LIVES], tmp_path)

    assert died_of == [signal.SIGKILL] * len(DEATHS) + [0]
    assert said() == rows
    folder = tmp_path / "documents"
    stored = [path for path in folder.rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder)): path.read_bytes() for path in stored} == files
    assert {state for (state,) in InvoiceDocument.objects.values_list("state")} == {"rendered"}
    assert not Mail.objects.filter(attachment_path__in=files).exclude(state="sent").exists()
    assert Payout.objects.get().routed_cost == 6
    numbers = Invoice.objects.filter(issued_at=AS_OF).order_by("sequence").values_list("sequence")
    pdfs = [name for name in files if name.endswith(".pdf")]
    assert [number for (number,) in numbers] == list(range(1, len(pdfs) + 1))
