"""The home page counts, and each figure opens into what it counted."""

from __future__ import annotations

import datetime as dt
from unittest.mock import patch

from django.core.cache import cache
from django.test import Client as Browser
from django.utils import timezone

from billing.models import Invoice, Mail
from clients.models import Client
from tests.console.conftest import Story


def figures(browser: Browser) -> dict[str, str]:
    context = browser.get("/admin/").context
    return {figure.name: figure.value for figure in (*context["todo"], *context["counts"])}


def overdue(story: Story) -> None:
    from agencyportal.core.append_only import lifted

    with lifted(reason="a due date of the past, for a test"):
        Invoice.objects.update(due_date=timezone.now().date() - dt.timedelta(days=2))


def test_it_counts_what_needs_somebody(story: Story, as_manager: Browser) -> None:
    overdue(story)
    Mail.objects.update(state="failed", error="No address.")

    found = figures(as_manager)

    assert found["Near their limit"] == "1"
    assert found["Requests waiting"] == "1"
    assert found["Overdue invoices"] == "1"
    assert found["Failed mail"] == "1"
    assert found["Failed invoice files"] == "0"
    assert found["Clients"] == "1"


def test_each_figure_opens_into_its_rows(story: Story, as_manager: Browser) -> None:
    overdue(story)
    context = as_manager.get("/admin/").context

    for figure in (*context["todo"], *context["counts"]):
        page = as_manager.get(figure.url)
        assert page.status_code == 200, figure.name
        assert str(page.context["cl"].result_count) == figure.value, figure.name
    for figure in context["month"]:
        assert as_manager.get(figure.url).status_code == 200, figure.name


def test_estimates_say_so(story: Story, as_manager: Browser) -> None:
    month = {
        figure.name: figure.is_estimate for figure in as_manager.get("/admin/").context["month"]
    }

    assert month == {"Collected": False, "Routed cost so far": True, "Earnings so far": True}


def test_others_are_not_counted(story: Story, as_outsider: Browser) -> None:
    context = as_outsider.get("/admin/").context

    assert {figure.value for figure in context["todo"]} == {"0"}
    assert {figure.value for figure in context["month"]} == {"–"}
    assert "Acme" not in as_outsider.get("/admin/").content.decode()


def test_an_empty_agency_is_told_how_to_begin(as_outsider: Browser) -> None:
    assert "Add the first client" in as_outsider.get("/admin/").content.decode()


def test_search_finds_ones_own(story: Story, cedar: Client, as_manager: Browser) -> None:
    def search(term: str) -> str:
        response = as_manager.get("/admin/search/", {"s": term, "extended": "1"})
        return str(response.content.decode())

    number = str(story.invoice.number)
    assert "Acme" in search("acme")
    assert number.lower() in search(number).lower()
    assert "Cedar" not in search("cedar")


def test_search_keeps_nothing_of_what_it_found(story: Story, as_manager: Browser) -> None:
    """What is renamed is found by its new name at once, and no longer shown by its old one."""
    said = {"s": "acme", "extended": "1"}
    assert "Acme" in as_manager.get("/admin/search/", said).content.decode()

    type(story.client).objects.filter(pk=story.client.pk).update(name="Acme Renamed")

    assert "Acme Renamed" in as_manager.get("/admin/search/", said).content.decode()


def test_search_answers_nobody_with_what_another_found(
    story: Story, as_manager: Browser, as_outsider: Browser
) -> None:
    with patch("unfold.sites.cache.set", wraps=cache.set) as kept:
        for browser in (as_manager, as_outsider):
            page = browser.get("/admin/search/", {"s": "acme", "extended": "1"})
            assert ("Acme" in page.content.decode()) is (browser is as_manager)

    names = [call.args[0] for call in kept.call_args_list]
    assert len(set(names)) == 2
    assert cache.get_many(names) == {}
