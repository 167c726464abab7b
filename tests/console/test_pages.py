"""Every page of the admin: it opens for those who may, and is not there for others."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client as Browser
from django.urls import reverse

from agencyportal.core.tenancy import agency_id_of
from clients.models import Agency
from tests.console.conftest import Story
from tests.payouts.story import tell

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


def url(model: type[models.Model], view: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def everything_of(browser: Browser, row: models.Model) -> dict[str, int]:
    """Status by address of every page of a row that is asked for with GET."""
    model = type(row)
    paths = [url(model, view, row.pk) for view in ("change", "delete", "history")]
    page: Any = admin.site._registry[model]
    paths += [page.url(dialog.slug, row) for dialog in page.all_dialogs()]
    return {path: browser.get(path).status_code for path in paths}


@pytest.fixture
def books(platform: Any) -> Any:
    """Two months of books, in which nearly every model has rows."""
    type(platform).objects.all().delete()
    return tell()


@pytest.mark.slow
def test_every_page_opens_and_is_shut_to_others(
    books: Any, as_operator: Browser, django_user_model: Any
) -> None:
    northwind = Agency.objects.get(slug="northwind")
    harbor = Agency.objects.create(slug="harbor", name="Harbor")
    owner = django_user_model.objects.create_user("o@northwind.example")
    outsider = django_user_model.objects.create_user("o@harbor.example")
    northwind.members.create(user=owner, role="owner")
    harbor.members.create(user=outsider, role="owner")
    as_owner, as_outsider = Browser(), Browser()
    as_owner.force_login(owner)
    as_outsider.force_login(outsider)
    seen = 0
    for model in MODELS:
        row = model._default_manager.order_by("pk").first()
        assert as_operator.get(url(model, "changelist")).status_code == 200, model
        if row is None or agency_id_of(row) != northwind.pk:
            continue
        seen += 1
        assert as_owner.get(url(model, "change", row.pk)).status_code == 200, model
        assert as_owner.get(url(model, "changelist"), {"q": "a"}).status_code == 200, model
        assert set(everything_of(as_outsider, row).values()) == {404}, model
        listed = as_outsider.get(url(model, "changelist"))
        assert list(listed.context["cl"].result_list) == [
            own for own in listed.context["cl"].result_list if agency_id_of(own) == harbor.pk
        ]
    assert seen >= 20


def test_pages_say_what_they_are_about(story: Story, as_manager: Browser) -> None:
    workspace = as_manager.get(url(type(story.workspace), "change", story.workspace.pk))
    invoice = as_manager.get(url(type(story.invoice), "change", story.invoice.pk))

    assert "90 of 100 used" in workspace.content.decode()
    assert "Top up" in workspace.content.decode()
    assert "$49.00" in invoice.content.decode()
    assert "Record a payment" in invoice.content.decode()


def test_read_only_rows_have_no_form(story: Story, as_operator: Browser) -> None:
    for row in (story.invoice, story.period, story.invoice.lines.get(), story.unit):
        model = type(row)
        if model not in admin.site._registry:
            continue
        posted = as_operator.post(url(model, "change", row.pk), {"state": "paid"})
        assert posted.status_code == 403, model
        assert as_operator.get(url(model, "add")).status_code == 403, model
        assert as_operator.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_there_are_no_actions_on_many_rows(story: Story, as_operator: Browser) -> None:
    posted = as_operator.post(
        url(type(story.client), "changelist"),
        {"action": "delete_selected", "_selected_action": [story.client.pk], "post": "yes"},
    )

    assert posted.status_code in (200, 302)
    assert type(story.client).objects.filter(pk=story.client.pk).exists()
