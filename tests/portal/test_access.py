"""Who may see a client's pages, and who may do what there."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import get_resolver

from agencyportal.portal.urls import client_pages
from billing.crediting import Part
from billing.models import (
    CreditNote,
    InvoiceCheckout,
    OverageQuestion,
    TopUpOrder,
    TopUpPurchase,
    TopUpRequest,
)
from billing.services.credit_notes import issue_credit_note, lines_left
from billing.services.purchases import buy_on_account
from billing.services.rendering import render_due_documents
from billing.services.requests import ask_for_top_up
from clients.models import ClientMember

from .conftest import NOON

WRITES = {
    "approve",
    "decline",
    "buy",
    "ask",
    "alerts_read",
    "alerts_own",
    "answer",
    "caps_own",
    "order_cancel",
    "order_confirm",
    "automatic_terms",
    "automatic_on",
    "automatic_off",
    "automatic_resume",
    "card_change",
    "card_saved",
    "card_due_dates",
    "card_remove",
    "invoice_pay",
}
"""Paths that take a form, and send whoever only looks back to the page it is on."""

OWN_PAGES = {
    "usage",
    "top_ups",
    "invoices",
    "package",
    "balance",
    "automatic",
    "card",
    "card_change",
    "card_saved",
    "card_due_dates",
    "card_remove",
}
"""Paths that every client has."""

PAGES = ("", "top-ups/", "invoices/", "package/", "alerts/", "limits/")


@pytest.fixture
def paths(story, invoice, client_viewer) -> dict[str, str]:
    """Every path of a client's pages, by its name."""
    purchase = buy_on_account(workspace=story.workspace, band=story.growth, now=NOON, key="one")
    asked = ask_for_top_up(
        workspace=story.workspace, band=story.volume, requested_by=client_viewer, now=NOON
    )
    request = f"top-ups/requests/{asked.pk}/"
    offer = f"top-ups/{story.workspace.pk}/{story.volume.pk}/"
    period = story.workspace.periods.order_by("start")[0]
    unit = story.growth.unit
    question = OverageQuestion.objects.create(
        agency=story.client.agency,
        client=story.client,
        workspace=story.workspace,
        period=period,
        unit=unit,
        up_to=20,
        asked_at=NOON,
        answer_by=period.end,
    )
    order = f"orders/{_order(story).pk}/"
    one = f"automatic/{story.workspace.pk}/{unit.pk}/"
    note = f"credit-notes/{_credit_note(invoice, client_viewer).pk}/"
    found = {
        "usage": "",
        "explained": f"usage/{period.pk}/{unit.pk}/",
        "top_ups": "top-ups/",
        "bought": f"top-ups/bought/{purchase.pk}/",
        "request": request,
        "approve": f"{request}approve/",
        "decline": f"{request}decline/",
        "offer": offer,
        "buy": f"{offer}buy/",
        "ask": f"{offer}ask/",
        "invoices": "invoices/",
        "invoice": f"invoices/{invoice.pk}/",
        "invoice_pdf": f"invoices/{invoice.pk}/pdf/",
        "package": "package/",
        "alerts": "alerts/",
        "alerts_read": "alerts/read/",
        "alerts_own": "alerts/own/",
        "question": f"questions/{question.pk}/",
        "answer": f"questions/{question.pk}/answer/",
        "caps": "limits/",
        "caps_own": "limits/own/",
        "order": order,
        "order_cancel": f"{order}cancel/",
        "order_confirm": f"{order}confirm/",
        "automatic": "automatic/",
        "automatic_one": one,
        "automatic_terms": f"{one}terms/",
        "automatic_on": f"{one}on/",
        "automatic_off": f"{one}off/",
        "automatic_resume": f"{one}resume/",
        "card": "card/",
        "card_change": "card/change/",
        "card_saved": "card/saved/",
        "card_due_dates": "card/due-dates/",
        "card_remove": "card/remove/",
        "invoice_pay": f"invoices/{invoice.pk}/pay/",
        "invoice_payment": f"invoice-payments/{_checkout(invoice).pk}/",
        "invoice_xml": f"invoices/{invoice.pk}/xml/",
        "credit_note": note,
        "credit_note_pdf": f"{note}pdf/",
        "credit_note_xml": f"{note}xml/",
        "balance": "balance/",
    }
    return {name: story.url(path) for name, path in found.items()}


def _order(story) -> TopUpOrder:
    band = story.growth
    return TopUpOrder.objects.create(
        agency=story.client.agency,
        client=story.client,
        workspace=story.workspace,
        band=band,
        quantity=band.quantity,
        net=band.price,
        tax=0,
        gross=band.price,
        currency=story.client.currency,
        method=TopUpOrder.Method.PAGE,
        key="left",
        is_live=False,
        state=TopUpOrder.State.EXPIRED,
        ordered_at=NOON,
        look_at=NOON,
    )


def _checkout(invoice) -> InvoiceCheckout:
    return InvoiceCheckout.objects.create(
        agency=invoice.agency,
        client=invoice.client,
        invoice=invoice,
        amount=invoice.total,
        currency=invoice.currency,
        is_live=False,
        state=InvoiceCheckout.State.EXPIRED,
        opened_at=NOON,
        look_at=NOON,
    )


def _credit_note(invoice, who) -> CreditNote:
    note = issue_credit_note(
        invoice=invoice,
        parts=[Part(lines_left(invoice)[0].id, amount=Decimal(2))],
        reason="Too much",
        created_by=who,
        now=NOON,
        key="sorry",
    )
    assert render_due_documents(now=NOON) == 1
    return note


def test_every_page_has_a_path_here(paths):
    assert {pattern.name for pattern in client_pages} == set(paths)
    assert get_resolver().namespace_dict["portal"]


@pytest.mark.parametrize("who", ["outsider", "owner", "teammate", "operator"])
def test_nobody_but_the_clients_people_has_these_pages(paths, who, request, browse, row_counts):
    """An agency's people and the operator have the admin."""
    browser = browse(request.getfixturevalue(who))
    before = row_counts()
    for path in paths.values():
        assert browser.get(path).status_code == 404, path
        assert browser.post(path).status_code == 404, path
    assert row_counts() == before


def test_another_client_of_the_same_agency_is_an_outsider(paths, birch, browse, django_user_model):
    stranger = django_user_model.objects.create_user("admin@birch.example")
    ClientMember.objects.create(client=birch, user=stranger, role=ClientMember.Role.ADMIN)
    browser = browse(stranger)
    for path in paths.values():
        assert browser.get(path).status_code == 404, path
    mine = f"/portal/{birch.pk}/"
    for name, path in paths.items():
        if name not in OWN_PAGES and "alerts" not in name and "caps" not in name:
            elsewhere = mine + path.split("/", 3)[3]
            assert browser.get(elsewhere).status_code == 404, elsewhere
            assert browser.post(elsewhere).status_code in (404, 405), elsewhere


def test_strangers_are_sent_to_sign_in(paths, client):
    for path in ("/portal/", *paths.values()):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")


def test_members_see_every_page(paths, admin, viewer):
    for name, path in paths.items():
        for browser in (admin, viewer):
            expected = 302 if name in WRITES else 200
            assert browser.get(path).status_code == expected, path


def test_agency_people_who_belong_to_the_client_see_it(story, owner, browse):
    ClientMember.objects.create(client=story.client, user=owner, role=ClientMember.Role.VIEWER)
    assert browse(owner).get(story.url()).status_code == 200


def test_the_portal_opens_at_ones_client(story, admin):
    assert admin.get("/portal/")["Location"] == story.url()


def test_who_has_several_clients_chooses(story, second_client, viewer):
    page = viewer.get("/portal/").content.decode()
    assert story.url() in page
    assert f"/portal/{second_client.pk}/" in page
    assert "/portal/" in viewer.get(story.url()).content.decode()


def test_who_has_no_client_finds_nothing(owner, browse):
    assert browse(owner).get("/portal/").status_code == 404


def test_viewers_neither_buy_nor_decide(paths, viewer, row_counts):
    before = row_counts()
    form = {"key": "0b0c9ad5-3a14-4d5f-9a27-2f1a4f3f5f10"}
    for name in ("buy", "approve", "decline"):
        assert viewer.post(paths[name], form).status_code == 403, name
    assert row_counts() == before
    assert TopUpRequest.objects.get().state == TopUpRequest.State.PENDING
    assert TopUpPurchase.objects.count() == 1


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_kept_by_nobody_and_allow_nothing_inline(story, admin, path):
    response = admin.get(story.url(path))
    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    body = response.content.decode()
    assert " style=" not in body
    assert "<style" not in body
    assert "<script" not in body
    assert f"/brand/{story.client.agency.brand_color[1:]}.css" in body
