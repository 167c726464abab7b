"""Choices, filters and completions name one's own rows only; forms join rows of one agency."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from billing.models import Alert, AlertRule
from billing.services.alerts import check_alerts
from clients.models import Agency, Client, UsageUnit, User, Workspace
from clients.services.people import free_slug
from tests.console.conftest import Story, browser_of


@pytest.fixture
def strangers(cedar: Client, cedar_support: Workspace, harbor_conversation: UsageUnit) -> Client:
    return cedar


def complete(browser: Browser, model: str, field: str) -> Any:
    app, name = model.split(".")
    return browser.get(
        reverse("admin:autocomplete"),
        {"app_label": app, "model_name": name, "field_name": field, "term": ""},
    )


def test_completions_are_ones_own(story: Story, strangers: Client, as_manager: Browser) -> None:
    found = complete(as_manager, "billing.alertrule", "client").json()["results"]

    assert [entry["text"] for entry in found] == ["Acme"]


def test_completions_are_shut_to_a_clients_people(story: Story, as_client_admin: Browser) -> None:
    assert complete(as_client_admin, "billing.alertrule", "client").status_code == 404


@pytest.mark.parametrize("chosen", ["x", "1.5", "NaN", "\u0661", "9" * 30, "-1"])
def test_a_choice_that_is_no_row_is_refused_in_words(as_manager: Browser, chosen: str) -> None:
    response = as_manager.post("/admin/billing/alertrule/add/", {"client": chosen})

    assert response.status_code == 200
    assert "client" in response.context["adminform"].form.errors


def test_choices_of_a_form_are_ones_own(
    story: Story, strangers: Client, as_manager: Browser
) -> None:
    form = as_manager.get("/admin/billing/alertrule/add/").context["adminform"].form

    assert [str(row) for row in form.fields["agency"].queryset] == ["Northwind"]
    assert [str(row) for row in form.fields["client"].queryset] == ["Acme"]
    assert list(form.fields["unit"].queryset) == [story.unit]


def test_filters_name_ones_own(story: Story, strangers: Client, as_manager: Browser) -> None:
    page = as_manager.get("/admin/clients/workspace/").content.decode()

    assert "Acme" in page
    assert "Cedar" not in page
    assert "Harbor" not in page


def tables(page: Any) -> dict[str, Any]:
    """What the tables on a page of one row send by themselves."""
    forms = [table.formset.management_form for table in page.context["inline_admin_formsets"]]
    return {field.html_name: field.value() for form in forms for field in form}


def rule(**said: Any) -> dict[str, Any]:
    return {"kind": "percent", "levels": "80", "is_active": "on", **said}


def test_a_foreign_row_cannot_be_chosen(
    story: Story, strangers: Client, northwind: Agency, as_manager: Browser
) -> None:
    said = rule(agency=northwind.pk, client=strangers.pk)

    response = as_manager.post("/admin/billing/alertrule/add/", said)

    assert response.status_code == 200
    assert "client" in response.context["adminform"].form.errors
    assert not AlertRule.objects.exists()


def test_rows_of_two_agencies_are_not_joined_by_who_sees_both(
    story: Story, strangers: Client, northwind: Agency, as_operator: Browser
) -> None:
    said = rule(agency=northwind.pk, client=strangers.pk)

    response = as_operator.post("/admin/billing/alertrule/add/", said)

    assert "another agency" in str(response.context["adminform"].form.errors)
    assert not AlertRule.objects.exists()


def test_a_rule_is_written_and_its_history_begins(
    story: Story, northwind: Agency, as_manager: Browser
) -> None:
    said = rule(agency=northwind.pk, client=story.client.pk, levels="100, 80 %")

    response = as_manager.post("/admin/billing/alertrule/add/", said)

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert AlertRule.objects.get().levels == ["80", "100"]
    history = as_manager.get(f"/admin/billing/alertrule/{AlertRule.objects.get().pk}/history/")
    assert "manager@northwind.example" in history.content.decode()


def test_a_rule_that_is_written_is_looked_at_by_the_next_check(
    story: Story, northwind: Agency, as_manager: Browser
) -> None:
    """90 of 100 are used: told at 80 %; a rule at 50 that comes later is told of, too, and so is
    one that is changed to 60."""
    moment = timezone.now()
    add, told = "/admin/billing/alertrule/add/", Alert.objects.count
    as_manager.post(add, rule(agency=northwind.pk, levels="80"))
    assert check_alerts(now=moment) == 1

    as_manager.post(add, rule(agency=northwind.pk, client=story.client.pk, levels="50"))
    assert (check_alerts(now=moment), told()) == (1, 2)

    row = AlertRule.objects.get(client=story.client)
    changed = rule(agency=northwind.pk, client=story.client.pk, levels="50, 60")
    as_manager.post(f"/admin/billing/alertrule/{row.pk}/change/", changed)
    assert (check_alerts(now=moment), told()) == (1, 3)
    row.refresh_from_db()
    assert str(row.created_by) == "manager@northwind.example"


def test_a_viewer_writes_nothing(story: Story, northwind: Agency, as_viewer: Browser) -> None:
    said = rule(agency=northwind.pk)

    assert as_viewer.get("/admin/billing/alertrule/add/").status_code == 403
    assert as_viewer.post("/admin/billing/alertrule/add/", said).status_code == 403
    client = f"/admin/clients/client/{story.client.pk}/change/"
    assert as_viewer.get(client).status_code == 200
    assert as_viewer.post(client, {"name": "Mine"}).status_code == 403
    assert not AlertRule.objects.exists()


def test_powers_hold_where_they_are_held(
    story: Story, strangers: Client, outsider: User, northwind: Agency
) -> None:
    """An owner of one agency who only looks on at another adds nothing there."""
    northwind.members.create(user=outsider, role="viewer")
    browser = browser_of(outsider)

    response = browser.post("/admin/billing/alertrule/add/", rule(agency=northwind.pk))

    assert response.status_code == 403
    assert not AlertRule.objects.exists()


def test_a_client_is_added_with_a_workspace(northwind: Agency, as_manager: Browser) -> None:
    client = {
        "agency": northwind.pk,
        "name": "Birch",
        "slug": "birch",
        "currency": "USD",
        "timezone": "UTC",
        "language": "en",
    }
    response = as_manager.post("/admin/clients/client/add/", client)
    assert response.status_code == 302, response.context["adminform"].form.errors
    made = Client.objects.get(slug="birch")

    space = {"client": made.pk, "name": "Leads", "slug": "birch-leads", "cost_payer": "platform"}
    response = as_manager.post("/admin/clients/workspace/add/", space)

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert Workspace.objects.get(slug="birch-leads").agency == northwind


def test_a_name_that_is_taken_says_nothing_of_whose_it_is(
    story: Story, strangers: Client, as_manager: Browser
) -> None:
    """One's own and another agency's: the same words, with one that is free."""

    def refused(slug: str) -> str:
        said = {"client": story.client.pk, "name": "X", "slug": slug, "cost_payer": "platform"}
        page = as_manager.post("/admin/clients/workspace/add/", said)
        assert "Harbor" not in page.content.decode()
        [error] = page.context["adminform"].form.errors["slug"]
        return str(error)

    assert refused("acme-support") == "“acme-support” is not free; “acme-support-2” is."
    assert refused("cedar-support") == "“cedar-support” is not free; “cedar-support-2” is."
    add = {"client": story.client.pk, "name": "X", "slug": "cedar-support-2"}
    as_manager.post("/admin/clients/workspace/add/", {**add, "cost_payer": "platform"})
    assert refused("cedar-support") == "“cedar-support” is not free; “cedar-support-3” is."


def test_a_free_name_fits_the_column(acme_support: Workspace) -> None:
    Workspace.objects.filter(pk=acme_support.pk).update(slug="a" * 60)

    assert free_slug("a" * 60) == "a" * 58 + "-2"


def test_an_owner_writes_the_profile_and_not_what_is_the_operators(
    northwind: Agency, as_owner: Browser, as_manager: Browser
) -> None:
    path = f"/admin/clients/agency/{northwind.pk}/change/"
    said = {
        "name": "Northwind AI",
        "brand_color": "#0f5c6e",
        "payment_terms_days": "30",
        "language": "en",
        "slug": "taken",
        "timezone": "UTC",
    }

    assert as_manager.post(path, said).status_code == 403
    sent = {**said, **tables(as_owner.get(path))}
    assert as_owner.post(path, sent).status_code == 302

    northwind.refresh_from_db()
    assert (northwind.name, northwind.payment_terms_days) == ("Northwind AI", 30)
    assert (northwind.slug, northwind.timezone) == ("northwind", "America/New_York")


def test_nobody_changes_their_own_role(owner: User, as_owner: Browser) -> None:
    member = owner.agency_memberships.get()

    assert (
        as_owner.post(
            f"/admin/clients/agencymember/{member.pk}/change/", {"role": "viewer"}
        ).status_code
        == 403
    )
    assert (
        as_owner.post(
            f"/admin/clients/agencymember/{member.pk}/delete/", {"post": "yes"}
        ).status_code
        == 403
    )
