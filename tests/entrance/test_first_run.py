"""An empty portal is furnished once, by whoever sees the terminal."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client as Browser

from agencyportal.entrance import first_run
from agencyportal.entrance.forms import FirstRunForm
from clients.models import Agency, AgencyMember, Platform, User
from payouts.models import PayoutTerms, PlatformFeeRule

pytestmark = pytest.mark.django_db

ANSWERS = {
    "platform_name": "Portal Inc.",
    "platform_email": "billing@portal.example",
    "country": "us",
    "operator_name": "Olga",
    "operator_email": "Olga@Portal.example",
    "password": "tulip-garden-9",
    "agency_name": "Bright Bots",
    "agency_timezone": "Europe/Berlin",
    "brand_color": "#0f5c6e",
    "fee_percent": "5",
    "owner_name": "",
    "owner_email": "",
}


def answers(**changed: str) -> dict[str, str]:
    return ANSWERS | {"token": first_run.token()} | changed


def test_an_empty_portal_leads_to_its_first_run(client: Browser) -> None:
    assert client.get("/")["Location"] == "/setup/"


def test_the_address_in_the_terminal_brings_the_token_along(client: Browser) -> None:
    page = client.get(first_run.address().removeprefix("http://127.0.0.1:8000"))

    assert f'type="hidden" name="token" value="{first_run.token()}"' in page.content.decode()


def test_without_it_the_page_asks_for_the_token(client: Browser) -> None:
    assert re.search(r'type="text" name="token"', client.get("/setup/").content.decode())
    assert first_run.token() not in client.get("/setup/").content.decode()


def test_it_makes_platform_operator_agency_and_terms_and_signs_in(client: Browser) -> None:
    answer = client.post("/setup/", answers())

    assert answer["Location"] == "/"
    operator = User.objects.get()
    assert (operator.email, operator.is_operator) == ("olga@portal.example", True)
    assert client.session["_auth_user_id"] == str(operator.pk)
    assert client.get("/")["Location"] == "/admin/"
    assert (Platform.objects.get().name, Platform.objects.get().country) == ("Portal Inc.", "US")
    agency = Agency.objects.get()
    assert (agency.slug, agency.timezone) == ("bright-bots", "Europe/Berlin")
    assert AgencyMember.objects.get(agency=agency, user=operator).role == "owner"
    assert PayoutTerms.objects.filter(agency=agency).exists()
    assert PlatformFeeRule.objects.get(agency=agency).percent == Decimal(5)
    assert mail.outbox == []


def test_another_owner_chooses_a_password_by_mail(client: Browser) -> None:
    client.post("/setup/", answers(owner_name="Olaf", owner_email="Olaf@bots.example"))

    owner = AgencyMember.objects.get().user
    assert (owner.email, owner.is_staff, owner.is_operator) == ("olaf@bots.example", True, False)
    assert not owner.has_usable_password()
    [message] = mail.outbox
    [link] = re.findall(r"http://testserver(/\S+)", str(message.body))
    theirs = Browser()
    form = theirs.get(link)["Location"]
    theirs.post(form, {"password1": "meadow-stone-4", "password2": "meadow-stone-4"})
    assert message.to == ["olaf@bots.example"]
    assert User.objects.get(pk=owner.pk).check_password("meadow-stone-4")


@pytest.mark.parametrize("token", ["", "0" * 32, "nonsense"])
def test_a_wrong_token_changes_nothing(client: Browser, token: str) -> None:
    answer = client.post("/setup/", answers(token=token))

    assert answer.status_code == 400
    assert "token" in answer.context["form"].errors
    assert not User.objects.exists()
    assert not Agency.objects.exists()
    assert not Platform.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "Germany"),
        ("password", "12345678"),
        ("password", "olga@portal.example"),
        ("agency_name", "!!!"),
        ("agency_timezone", "Mars/Base"),
        ("brand_color", "red"),
        ("fee_percent", "101"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(client: Browser, field: str, value: str) -> None:
    answer = client.post("/setup/", answers(**{field: value}))

    assert answer.status_code == 400
    assert set(answer.context["form"].errors) == {field}
    assert not User.objects.exists()


def test_the_second_time_there_is_no_such_page(client: Browser) -> None:
    client.post("/setup/", answers())
    again = answers(operator_email="mallory@evil.example")

    for browser in (client, Browser()):
        assert browser.get("/setup/").status_code == 404
        assert browser.post("/setup/", again).status_code == 404
    assert User.objects.count() == 1


def test_who_was_slower_gets_nothing(operator: User) -> None:
    """Both looked at the page before either had sent it."""
    form = FirstRunForm(answers())
    assert form.is_valid()

    with pytest.raises(first_run.AlreadySetUpError):
        first_run.set_up(form.run(), now=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))

    assert User.objects.get() == operator
    assert not Agency.objects.exists()
