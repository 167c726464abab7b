"""Paths below `/portal/`: what people of a client see."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from agencyportal.portal.brand import brand
from agencyportal.portal.views import (
    alerts,
    automatic,
    caps,
    card,
    credit_notes,
    invoice_payments,
    invoices,
    orders,
    questions,
    requests,
    terms,
    top_ups,
    usage,
)

app_name = "portal"

AUTOMATIC = "automatic/<int:workspace_id>/<int:unit_id>/"
OFFER = "top-ups/<int:workspace_id>/<int:band_id>/"

client_pages = [
    path("", usage.usage, name="usage"),
    path("usage/<int:period_id>/<int:unit_id>/", usage.where_it_went, name="explained"),
    path("questions/<int:question_id>/", questions.question, name="question"),
    path("questions/<int:question_id>/answer/", questions.answer, name="answer"),
    path("limits/", caps.caps, name="caps"),
    path("limits/own/", caps.set_own, name="caps_own"),
    path("top-ups/", top_ups.top_ups, name="top_ups"),
    path("top-ups/bought/<int:purchase_id>/", top_ups.bought, name="bought"),
    path("top-ups/requests/<int:request_id>/", requests.request_page, name="request"),
    path("top-ups/requests/<int:request_id>/approve/", requests.approve, name="approve"),
    path("top-ups/requests/<int:request_id>/decline/", requests.decline, name="decline"),
    path("invoices/<int:invoice_id>/pay/", invoice_payments.pay, name="invoice_pay"),
    path(
        "invoice-payments/<int:checkout_id>/",
        invoice_payments.payment,
        name="invoice_payment",
    ),
    path("orders/<int:order_id>/", orders.order_page, name="order"),
    path("orders/<int:order_id>/cancel/", orders.cancel, name="order_cancel"),
    path("orders/<int:order_id>/confirm/", orders.confirm, name="order_confirm"),
    path("automatic/", automatic.automatic, name="automatic"),
    path(AUTOMATIC, automatic.automatic_one, name="automatic_one"),
    path(f"{AUTOMATIC}terms/", automatic.terms, name="automatic_terms"),
    path(f"{AUTOMATIC}on/", automatic.consent, name="automatic_on"),
    path(f"{AUTOMATIC}off/", automatic.off, name="automatic_off"),
    path(f"{AUTOMATIC}resume/", automatic.go_on, name="automatic_resume"),
    path("card/", card.card, name="card"),
    path("card/change/", card.change, name="card_change"),
    path("card/saved/", card.saved, name="card_saved"),
    path("card/due-dates/", card.due_dates, name="card_due_dates"),
    path("card/remove/", card.remove, name="card_remove"),
    path(OFFER, top_ups.offer, name="offer"),
    path(f"{OFFER}buy/", top_ups.buy, name="buy"),
    path(f"{OFFER}ask/", top_ups.ask, name="ask"),
    path("invoices/", invoices.invoices, name="invoices"),
    path("invoices/<int:invoice_id>/", invoices.invoice, name="invoice"),
    path("invoices/<int:invoice_id>/pdf/", invoices.invoice_pdf, name="invoice_pdf"),
    path("credit-notes/<int:note_id>/", credit_notes.credit_note, name="credit_note"),
    path("credit-notes/<int:note_id>/pdf/", credit_notes.credit_note_pdf, name="credit_note_pdf"),
    path("credit-notes/<int:note_id>/xml/", credit_notes.credit_note_xml, name="credit_note_xml"),
    path("balance/", credit_notes.balance, name="balance"),
    path("invoices/<int:invoice_id>/xml/", invoices.invoice_xml, name="invoice_xml"),
    path("package/", terms.package, name="package"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/read/", alerts.read, name="alerts_read"),
    path("alerts/own/", alerts.own, name="alerts_own"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", usage.start, name="start"),
    re_path(r"^brand/(?P<colour>[0-9a-f]{6})\.css$", brand, name="brand"),
    path("<int:client_id>/", include(client_pages)),
]
