"""One sign-in page for both sides, which sends each to theirs and keeps everybody else out."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client as Browser
from django.urls import reverse

from clients.models import Agency, Client, Platform, User
from clients.services.people import invite_client_member, invite_member

pytestmark = pytest.mark.django_db

PASSWORD = "demo-portal"
LOGIN = "/accounts/login/"


def sign_in(browser: Browser, email: str, password: str = PASSWORD, **more: str):
    return browser.post(LOGIN, {"login": email, "password": password, **more})


def test_people_of_an_agency_come_out_in_the_admin(client: Browser, teammate: User) -> None:
    answer = sign_in(client, teammate.email)

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/")["Location"] == "/admin/"


def test_people_of_a_client_come_out_in_their_portal(client: Browser, client_admin: User) -> None:
    sign_in(client, client_admin.email)

    assert client.get("/")["Location"] == "/portal/"


def test_who_works_for_no_agency_comes_out_in_the_portal(client: Browser, teammate: User) -> None:
    """Once of an agency, now a client's alone: what counts is whom the admin lets in."""
    teammate.agency_memberships.all().delete()
    client.force_login(teammate)

    assert teammate.is_staff
    assert client.get("/")["Location"] == "/portal/"


def test_a_role_at_an_agency_is_enough_for_the_admin(client: Browser, teammate: User) -> None:
    User.objects.filter(pk=teammate.pk).update(is_staff=False)
    client.force_login(teammate)

    assert client.get("/")["Location"] == "/admin/"


def test_an_address_may_be_written_in_capitals(client: Browser, teammate: User) -> None:
    sign_in(client, teammate.email.upper())

    assert client.get("/")["Location"] == "/admin/"


def test_strangers_are_asked_to_sign_in(client: Browser, operator: User) -> None:
    assert client.get("/")["Location"] == f"{LOGIN}?next=/"


def test_the_admin_sends_to_the_sign_in_page_and_back(client: Browser, teammate: User) -> None:
    wanted = "/admin/?seen=1"
    to_admins_login = client.get(wanted)["Location"]
    to_ours = client.get(to_admins_login)["Location"]

    assert to_ours == f"{LOGIN}?next=/admin/%3Fseen%3D1"
    assert sign_in(client, teammate.email, next=wanted)["Location"] == wanted


def test_the_admins_own_login_takes_no_password(client: Browser, teammate: User) -> None:
    answer = client.post("/admin/login/", {"username": teammate.email, "password": PASSWORD})

    assert answer["Location"].startswith(LOGIN)
    assert "_auth_user_id" not in client.session


def test_for_people_of_a_client_there_is_no_admin(client: Browser, client_admin: User) -> None:
    client.force_login(client_admin)

    assert client.get("/admin/").status_code == 404
    assert client.get("/admin/login/")["Location"] == "/"


def test_nobody_is_sent_to_another_site_after_signing_in(client: Browser, teammate: User) -> None:
    answer = sign_in(client, teammate.email, next="https://evil.example/")

    assert answer["Location"] == "/"


def test_a_wrong_password_says_so_where_it_was_typed(client: Browser, teammate: User) -> None:
    answer = sign_in(client, teammate.email, "wrong")

    assert "_auth_user_id" not in client.session
    page = answer.content.decode()
    assert re.search(r'role="alert">\s*<p>[^<]*password[^<]*not correct', page)


def test_a_known_and_an_unknown_address_are_refused_in_the_same_words(
    client: Browser, teammate: User
) -> None:
    known = sign_in(client, teammate.email, "wrong").context["form"].non_field_errors()
    unknown = sign_in(client, "nobody@example.com", "wrong").context["form"].non_field_errors()

    assert known == unknown


def test_whose_access_is_closed_does_not_come_in(client: Browser, teammate: User) -> None:
    teammate.is_active = False
    teammate.save()

    answer = sign_in(client, teammate.email)

    assert answer["Location"] == reverse("account_inactive")
    assert "_auth_user_id" not in client.session
    assert b"Your access is closed" in client.get(answer["Location"]).content


def test_closing_access_ends_the_visit(client: Browser, teammate: User) -> None:
    client.force_login(teammate)
    User.objects.filter(pk=teammate.pk).update(is_active=False)

    assert client.get("/admin/").status_code == 302


def test_tries_run_out(client: Browser, teammate: User) -> None:
    for _ in range(5):
        sign_in(client, teammate.email, "wrong")

    sign_in(client, teammate.email)  # right, but too late

    assert "_auth_user_id" not in client.session


def test_only_a_form_that_was_sent_signs_out(client: Browser, teammate: User) -> None:
    client.force_login(teammate)

    assert client.get("/accounts/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_a_forgotten_password_is_replaced_through_a_link_that_works_once(
    client: Browser, teammate: User
) -> None:
    client.post("/accounts/password/reset/", {"email": teammate.email})
    [message] = mail.outbox
    [link] = re.findall(r"http://testserver(/\S+)", str(message.body))
    form = client.get(link)["Location"]
    new = "tulip-garden-9"
    client.post(form, {"password1": new, "password2": new})

    assert message.to == [teammate.email]
    assert link in message.alternatives[0].content
    assert User.objects.get(pk=teammate.pk).check_password(new)
    assert b"no longer works" in Browser().get(link).content


def test_a_strangers_address_gets_the_same_answer_and_no_mail(
    client: Browser, operator: User
) -> None:
    known = client.post("/accounts/password/reset/", {"email": operator.email})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.com"})

    assert known["Location"] == unknown["Location"]
    assert [message.to for message in mail.outbox] == [[operator.email]]


def test_a_person_changes_their_own_password(client: Browser, teammate: User) -> None:
    client.force_login(teammate)
    new = "tulip-garden-9"

    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert User.objects.get(pk=teammate.pk).check_password(new)
    assert "_auth_user_id" in client.session


def test_who_has_no_password_yet_is_sent_to_where_one_is_chosen(
    client: Browser, teammate: User
) -> None:
    teammate.set_unusable_password()
    teammate.save()
    client.force_login(teammate)

    answer = client.get("/accounts/password/change/")

    assert answer["Location"] == "/accounts/password/reset/"
    assert "You have no password yet." in client.get(answer["Location"]).content.decode()


def test_a_stranger_changes_no_password(client: Browser, operator: User) -> None:
    answer = client.get("/accounts/password/change/")

    assert answer["Location"] == f"{LOGIN}?next=/accounts/password/change/"


def test_who_was_invited_is_welcomed_rather_than_told_of_a_reset(
    client: Browser, platform: Platform, northwind: Agency, acme: Client
) -> None:
    invite_member(agency=northwind, email="new@northwind.example", name="Nia", role="manager")
    invite_client_member(client=acme, email="new@northwind.example", name="", role="viewer")

    client.post("/accounts/password/reset/", {"email": "new@northwind.example"})

    [message] = mail.outbox
    assert message.subject == f"You are invited to {platform.name}"
    [link] = re.findall(r"http://testserver(/\S+)", str(message.body))
    assert isinstance(message, EmailMultiAlternatives)
    [(html, _)] = message.alternatives
    for text in (str(message.body), str(html)):
        assert "new@northwind.example" in text
        assert "Acme (Northwind)" in text
        assert link in text
        assert "asked for a new password" not in text
    new = "tulip-garden-9"
    client.post(client.get(link)["Location"], {"password1": new, "password2": new})
    assert User.objects.get(email="new@northwind.example").check_password(new)


def test_who_has_a_password_is_told_of_a_reset(client: Browser, teammate: User) -> None:
    client.post("/accounts/password/reset/", {"email": teammate.email})

    [message] = mail.outbox
    assert message.subject == "Choose a new password"
    assert "You are invited" not in str(message.body)


@pytest.mark.parametrize(
    "path", ["signup/", "email/", "login/code/", "3rdparty/", "reauthenticate/"]
)
def test_nobody_signs_up_or_in_by_other_ways(client: Browser, operator: User, path: str) -> None:
    assert client.get(f"/accounts/{path}").status_code == 404
