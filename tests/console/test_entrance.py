"""Who comes into the admin, and what is there at all."""

from __future__ import annotations

from django.contrib import admin
from django.test import Client as Browser
from django.urls import reverse

from agencyportal.console.site import site
from agencyportal.core.admin import ScopedModelAdmin
from clients.models import AgencyMember, User
from tests.console.conftest import Story, browser_of


def test_the_site_takes_in_only_pages_that_know_whose_rows_they_show() -> None:
    assert site is admin.site
    assert len(site._registry) > 30
    assert all(isinstance(page, ScopedModelAdmin) for page in site._registry.values())


def test_a_stranger_is_sent_to_the_sign_in_page(db: None) -> None:
    response = Browser().get("/admin/clients/client/")

    assert response.status_code == 302
    assert "login" in response["Location"]
    assert "next=" in response["Location"]


def test_a_clients_people_find_nothing(story: Story, as_client_admin: Browser) -> None:
    for path in ("/admin/", "/admin/clients/client/", f"/admin/clients/client/{story.client.pk}/"):
        assert as_client_admin.get(path).status_code == 404


def test_somebody_who_left_finds_nothing(teammate: User) -> None:
    browser = browser_of(teammate)
    assert browser.get("/admin/").status_code == 200

    AgencyMember.objects.filter(user=teammate).delete()

    assert browser.get("/admin/").status_code == 404


def test_a_colleague_who_is_a_client_elsewhere_sees_only_the_agencys_rows(
    story: Story, outsider: User
) -> None:
    """The admin is an agency's side: what somebody sees as a client's member is in the portal."""
    story.client.members.create(user=outsider, role="admin")
    browser = browser_of(outsider)

    listed = browser.get(reverse("admin:clients_client_changelist"))
    page = browser.get(reverse("admin:clients_client_change", args=(story.client.pk,)))

    assert "Acme" not in listed.content.decode()
    assert page.status_code == 404


def test_the_sidebar_is_by_who_one_is(as_manager: Browser, as_operator: Browser) -> None:
    manager = as_manager.get("/admin/").content.decode()
    operator = as_operator.get("/admin/").content.decode()

    assert "Exchange rates" not in manager
    assert "Northwind" in manager
    assert "Exchange rates" in operator


def test_rows_of_the_platform_are_not_there_for_an_agency(
    as_manager: Browser, as_operator: Browser
) -> None:
    for name in ("clients_user", "clients_platform", "billing_documentseries"):
        path = reverse(f"admin:{name}_changelist")
        assert as_manager.get(path).status_code == 404
        assert as_operator.get(path).status_code == 200


def test_the_agencys_colour_is_the_admins(as_manager: Browser, as_operator: Browser) -> None:
    assert "#1f4e79" in as_manager.get("/admin/").content.decode()
    assert "#1f4e79" not in as_operator.get("/admin/").content.decode()
