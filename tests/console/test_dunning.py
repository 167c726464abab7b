"""Dunning in the admin: the schedule with its effect, what was done, pauses, consents."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.dunning import DEFAULT
from billing.models import (
    ChargeConsent,
    Dunning,
    DunningEntry,
    DunningSchedule,
    Invoice,
    InvoiceCheckout,
    Suspension,
)
from billing.services.charge_consents import consent_of, give_consent
from billing.services.dunning import dun_due_invoices
from billing.services.suspensions import suspend
from clients.models import Agency, Client, User, Workspace
from tests.billing import ledger

pytestmark = pytest.mark.django_db

SUSPENDING = {
    "key": "one",
    "remind_on": "-3, 3",
    "charge_on": "0",
    "final_on": "10",
    "ends_on": "20",
    "policy": "suspend",
}


@pytest.fixture
def invoice(acme_support: Workspace, now: dt.datetime) -> Invoice:
    return ledger.issued(acme_support, now=now, fee="100.00")


def on_agency(agency: Agency) -> str:
    return f"/admin/clients/agency/{agency.pk}/dunning/"


def on_invoice(invoice: Invoice, action: str) -> str:
    return f"/admin/billing/invoice/{invoice.pk}/{action}/"


def test_an_owner_sees_what_a_schedule_does_before_it_holds(
    owner: User, northwind: Agency, invoice: Invoice, client: Browser
) -> None:
    client.force_login(owner)
    asked = client.get(on_agency(northwind)).content.decode()
    assert "The agency is told; nothing more happens by itself" in asked
    seen = client.post(on_agency(northwind), SUSPENDING)
    shown = seen.content.decode()
    for words in (
        "3 days before it",
        "The saved card is charged, where the client has consented",
        "New usage is suspended until it is paid; client and agency are told",
        "1, which keep theirs",
    ):
        assert words in shown
    assert not DunningSchedule.objects.exists()
    agreed = {**SUSPENDING, "seen": seen.context["form"].data["seen"]}
    for _twice in range(2):
        assert client.post(on_agency(northwind), agreed).status_code == 302
    row = DunningSchedule.objects.get()
    assert (row.schedule.ends_on, row.policy, row.set_by) == (20, "suspend", owner)
    assert Dunning.objects.get(invoice=invoice).schedule == DEFAULT
    assert (
        "New usage is suspended"
        in client.get(f"/admin/billing/dunningschedule/{row.pk}/change/").content.decode()
    )


def test_a_schedule_that_makes_no_sense_is_refused_at_its_field(
    owner: User, northwind: Agency, client: Browser
) -> None:
    client.force_login(owner)
    for change, words in (
        ({"remind_on": "soon"}, "Write days as numbers, as in -3, 0, 7."),
        ({"final_on": ""}, "Nobody is suspended without a last notice."),
        ({"ends_on": "4"}, "The end comes after everything else"),
    ):
        answer = client.post(on_agency(northwind), {**SUSPENDING, **change}).content.decode()
        assert words in answer
    assert not DunningSchedule.objects.exists()


def test_only_owners_set_schedules_and_outsiders_find_none(
    teammate: User, outsider: User, northwind: Agency, client: Browser
) -> None:
    for who, status in ((teammate, 403), (outsider, 404)):
        client.force_login(who)
        assert client.get(on_agency(northwind)).status_code == status
        assert client.post(on_agency(northwind), SUSPENDING).status_code == status


def test_every_step_is_on_the_invoice_and_it_is_paused_with_a_reason(
    teammate: User, outsider: User, invoice: Invoice, client: Browser
) -> None:
    day = dt.datetime(2026, 3, 21, 12, tzinfo=dt.UTC)
    dun_due_invoices(now=day, limit=10)
    client.force_login(teammate)
    page = f"/admin/billing/invoice/{invoice.pk}/change/"
    shown = client.get(page).content.decode()
    assert "3 days before it" in shown
    assert "Mail to billing@acme.example: pending" in shown
    assert "24 Mar 2026: The saved card is charged, where the client has consented" in shown

    pause = on_invoice(invoice, "pause-dunning")
    assert "reason" in client.post(pause, {"key": "one"}).content.decode()
    told = {"key": "one", "reason": "They called: paid on Friday."}
    for _twice in range(2):
        client.post(pause, told)
    shown = client.get(page).content.decode()
    assert "They called: paid on Friday." in shown
    assert "Paused since" in shown
    client.post(on_invoice(invoice, "resume-dunning"), {"key": "two"})
    kinds = list(DunningEntry.objects.values_list("kind", flat=True))
    assert kinds == ["reminder", "paused", "resumed"]

    client.force_login(outsider)
    for action in ("pause-dunning", "resume-dunning", "start-dunning"):
        assert client.post(on_invoice(invoice, action), told).status_code == 404


def test_suspended_clients_are_counted_on_the_home_page(
    owner: User, outsider: User, invoice: Invoice, client: Browser
) -> None:
    suspend(invoice, now=timezone.now())
    client.force_login(owner)
    assert "Suspended clients" in client.get("/admin/").content.decode()
    assert str(invoice) in client.get("/admin/billing/suspension/").content.decode()
    client.force_login(outsider)
    assert "Suspended clients" not in client.get("/admin/").content.decode()
    assert client.get("/admin/billing/suspension/").context["cl"].result_count == 0
    assert Suspension.objects.count() == 1


def test_the_agency_ends_a_consent_and_cannot_give_one(
    owner: User, outsider: User, acme: Client, client_admin: User, client: Browser
) -> None:
    page = f"/admin/clients/client/{acme.pk}/end-consent/"
    client.force_login(owner)
    assert "has not consented" in client.get(page).content.decode()
    give_consent(client=acme, words="Charge it", given_by=client_admin, now=timezone.now())
    client.force_login(outsider)
    assert client.post(page, {"key": "one", "reason": "No"}).status_code == 404
    client.force_login(owner)
    for _twice in range(2):
        client.post(page, {"key": "one", "reason": "They asked for it."})
    assert consent_of(acme) is None
    last = ChargeConsent.objects.order_by("-pk")[0]
    assert (last.side, last.decided_by, last.words) == ("agency", owner, "They asked for it.")


def test_a_charge_that_nobody_knows_of_is_closed_by_hand(
    owner: User, invoice: Invoice, client: Browser, now: dt.datetime, settings: Any
) -> None:
    lost = InvoiceCheckout.objects.create(
        agency=invoice.agency,
        client=invoice.client,
        invoice=invoice,
        amount=invoice.total,
        currency=invoice.currency,
        method="card",
        is_live=False,
        state="failed",
        trouble="Nobody knows.",
        opened_at=now,
        look_at=now,
    )
    client.force_login(owner)
    page = f"/admin/billing/invoicecheckout/{lost.pk}/nothing-paid/"
    assert f"invoice_payment {lost.pk}" in client.get(page).content.decode()
    client.post(page, {"key": "one"})
    lost.refresh_from_db()
    assert (lost.state, lost.trouble) == ("failed", "")
