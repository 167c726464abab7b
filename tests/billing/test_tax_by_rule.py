"""Tax decided per client: reverse charge, exemption by certificate, VAT ids, codes, history."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from agencyportal.core.append_only import AppendOnlyError
from billing.documents.invoice_snapshot import InvoiceSnapshot
from billing.models import InvoiceLine, TaxExemption, TaxRate
from billing.services.credit_notes import void_invoice
from billing.services.tax import treatments_of
from billing.services.tax_exemptions import add_tax_exemption
from billing.tax import TaxCategory
from clients.services.people import create_client
from tests.billing import ledger

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
TODAY = NOON.date()
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def irish(platform):
    """The platform, in Ireland."""
    platform.country, platform.tax_id = "IE", "IE6388047V"
    platform.save()
    return platform


@pytest.fixture
def german(acme, irish):
    """A client in Germany, a business."""
    acme.country, acme.tax_id, acme.language = "DE", "DE136695976", "en"
    acme.save()
    return acme


def rate(agency, country: str, percent: str, **fields) -> TaxRate:
    said = {"category": "S", "effective_from": dt.date(2026, 1, 1)} | fields
    return TaxRate.objects.create(agency=agency, country=country, percent=Decimal(percent), **said)


def exempt(client, on: dt.date = TODAY, **fields) -> TaxExemption:
    said = {"certificate": "A 17", "reason": "A hospital.", "reason_code": "VATEX-EU-132-1B"}
    row = TaxExemption(client=client, effective_from=on, **(said | fields))
    return add_tax_exemption(exemption=row, created_by=None)


def treatment(client, on: dt.date = TODAY):
    return treatments_of([client], on=on)[client.pk]


# --- Reverse charge ----------------------------------------------------------------------------


def test_a_business_in_another_eu_country_owes_the_tax_itself(german, northwind, acme_support):
    rate(northwind, "DE", "19")
    invoice = ledger.issued(acme_support, now=NOON)
    (tax,) = invoice.taxes.all()
    assert (tax.category, tax.percent, tax.tax) == ("AE", 0, 0)
    assert (tax.base, invoice.total) == (Decimal(499), Decimal(499))
    (printed,) = InvoiceSnapshot.from_dict(invoice.snapshot or {}).taxes
    assert printed.reason == "Reverse charge: the recipient owes the tax."
    assert tax.reason_code == printed.reason_code == "VATEX-EU-AE"
    assert invoice.lines.get().tax_reason_code == "VATEX-EU-AE"


def test_in_german_it_is_said_in_the_words_of_the_law(german, acme_support):
    german.language = "de"
    german.save()
    invoice = ledger.issued(acme_support, now=NOON)
    assert invoice.taxes.get().reason == "Steuerschuldnerschaft des Leistungsempfängers."


@pytest.mark.parametrize("tax_id", ["", "12/345/67890", "DE136695975"])
def test_without_a_valid_vat_id_the_rate_of_the_country_is_charged(german, northwind, tax_id):
    rate(northwind, "DE", "19")
    german.tax_id = tax_id
    assert treatment(german).rate == 19


def test_without_a_rate_of_its_own_country_a_consumer_in_the_eu_pays_the_sellers(german, northwind):
    rate(northwind, "IE", "23")
    german.tax_id = ""
    assert (treatment(german).category, treatment(german).rate) == (TaxCategory.STANDARD, 23)
    german.country = "US"
    assert treatment(german).category is TaxCategory.OUTSIDE_SCOPE


def test_in_the_sellers_own_country_a_business_pays_tax(german, northwind):
    rate(northwind, "IE", "23")
    german.country, german.tax_id = "IE", "IE6433435F"
    assert treatment(german).rate == 23


def test_a_seller_without_a_vat_id_reverses_nothing(german, northwind, irish):
    rate(northwind, "DE", "19")
    irish.tax_id = ""
    irish.save()
    assert treatment(german).rate == 19


def test_what_a_row_exempts_is_not_reversed(german, northwind):
    rate(northwind, "DE", "0", category="E", reason="Lessons.", reason_code="VATEX-EU-132-1I")
    found = treatment(german)
    assert (found.category, found.reason_code) == (TaxCategory.EXEMPT, "VATEX-EU-132-1I")


# --- Exemptions --------------------------------------------------------------------------------


def test_a_client_with_a_certificate_is_exempt_while_it_lasts(acme, northwind):
    rate(northwind, "US", "8.25")
    exempt(acme, until=TODAY + 5 * DAY)
    assert treatment(acme, TODAY - DAY).rate == Decimal("8.25")
    assert treatment(acme).category is TaxCategory.EXEMPT
    assert treatment(acme, TODAY + 5 * DAY).category is TaxCategory.EXEMPT
    assert treatment(acme, TODAY + 6 * DAY).rate == Decimal("8.25")


def test_an_exemption_ends_early_by_another_row_and_both_stay(acme, northwind):
    rate(northwind, "US", "8.25")
    first = exempt(acme)
    exempt(acme, TODAY + DAY, is_exempt=False, certificate="", reason="", reason_code="")
    assert treatment(acme).reason == "A hospital."
    assert treatment(acme, TODAY + DAY).rate == Decimal("8.25")
    assert acme.tax_exemptions.count() == 2
    with pytest.raises(AppendOnlyError):
        first.delete()


@pytest.mark.parametrize(
    "fields",
    [
        {"certificate": ""},
        {"reason": ""},
        {"reason_code": "VATEX-EU-0"},
        {"until": TODAY - DAY},
        {"is_exempt": False},
    ],
)
def test_what_is_not_a_whole_exemption_is_refused(acme, fields):
    with pytest.raises(ValidationError):
        exempt(acme, **fields)
    assert not TaxExemption.objects.exists()


def test_the_code_is_on_the_credit_note_too(acme, acme_support, northwind):
    exempt(acme)
    invoice = ledger.issued(acme_support, now=NOON)
    note = void_invoice(invoice=invoice, reason="Goodwill", created_by=None, now=NOON, key="one")
    assert note.taxes.get().reason_code == "VATEX-EU-132-1B"
    assert note.lines.get().tax_reason_code == "VATEX-EU-132-1B"
    (printed,) = InvoiceSnapshot.from_dict(note.snapshot).taxes
    assert (printed.reason, printed.reason_code) == ("A hospital.", "VATEX-EU-132-1B")


# --- Rows that stay ----------------------------------------------------------------------------


def test_a_rate_is_replaced_from_a_date_and_never_edited(acme, northwind):
    old = rate(northwind, "US", "8.25")
    with pytest.raises(AppendOnlyError):
        old.delete()
    with pytest.raises(AppendOnlyError):
        TaxRate.objects.filter(pk=old.pk).update(percent=1)
    statement = "UPDATE billing_taxrate SET country = 'CA'"
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    rate(northwind, "US", "9", effective_from=TODAY)
    assert treatment(acme, TODAY - DAY).rate == Decimal("8.25")
    assert treatment(acme).rate == 9


@pytest.mark.parametrize("code", ["VATEX-EU-0", "132"])
def test_a_code_that_is_on_no_list_is_refused_at_the_field(northwind, code):
    row = TaxRate(
        agency=northwind,
        country="US",
        category="E",
        percent=Decimal(0),
        reason_code=code,
        effective_from=TODAY,
    )
    with pytest.raises(ValidationError) as refusal:
        row.full_clean()
    assert set(refusal.value.message_dict) == {"reason_code"}


@pytest.mark.parametrize("category", ["S", "Z"])
def test_what_is_taxed_or_zero_rated_has_no_code(northwind, category):
    percent = Decimal(19) if category == "S" else Decimal(0)
    with pytest.raises(DatabaseError), transaction.atomic():
        rate(northwind, "US", str(percent), category=category, reason_code="VATEX-EU-132")
    assert not InvoiceLine.objects.exists()


def test_many_clients_take_as_many_queries_as_one(acme, birch, django_assert_num_queries):
    for clients in ([acme], [acme, birch]):
        with django_assert_num_queries(3):
            treatments_of(clients, on=TODAY)


# --- VAT ids -----------------------------------------------------------------------------------


def test_a_vat_id_is_checked_and_normalised_when_a_client_is_made(northwind):
    client = create_client(
        agency=northwind,
        slug="elm",
        name="Elm",
        currency="EUR",
        timezone="Europe/Berlin",
        country="DE",
        tax_id="de 136.695 976",
    )
    assert client.tax_id == "DE136695976"
    with pytest.raises(ValidationError) as refusal:
        create_client(
            agency=northwind,
            slug="oak",
            name="Oak",
            currency="EUR",
            timezone="Europe/Berlin",
            country="DE",
            tax_id="DE136695967",
        )
    assert set(refusal.value.message_dict) == {"tax_id"}
    assert "check digit" in str(refusal.value)


def test_the_admin_names_the_field_of_a_wrong_vat_id(client, operator, irish, northwind):
    client.force_login(operator)
    for row, page in ((irish, "platform"), (northwind, "agency")):
        type(row).objects.filter(pk=row.pk).update(country="IE")
        data = {name: value for name, value in row.__dict__.items() if value is not None}
        data |= {"country": "IE", "tax_id": "IE6388047X"}
        answer = client.post(f"/admin/clients/{page}/{row.pk}/change/", data)
        assert answer.status_code == 200
        assert "is no VAT id of IE" in answer.content.decode()
