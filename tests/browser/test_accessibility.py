"""No violation of WCAG 2.2 A and AA that axe-core finds, by day and by night.

Of the admin, only what we draw ourselves counts: Unfold's frame around it is not ours.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page

from billing.services.requests import ask_for_top_up
from clients.models import User

from .conftest import House, SignIn

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CLIENT_PAGES = ("", "top-ups/", "invoices/", "package/", "alerts/", "limits/", "automatic/")
OURS_IN_THE_ADMIN = [[".console-grid"], [".console-card"], [".console-heading"]]


def violations(page: Page, include: Any = None) -> str:
    """What axe-core finds on the page, in words; empty when it finds nothing."""
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    found = Axe().run(page, context={"include": include} if include else None, options=options)
    assert found.response["passes"], f"axe-core looked at nothing on {page.url}"
    return f"{page.url}\n{found.generate_report()}" if found.violations_count else ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(
    page: Page,
    house: House,
    client_admin: User,
    client_viewer: User,
    teammate: User,
    sign_in: SignIn,
    scheme: Any,
) -> None:
    ask_for_top_up(
        workspace=house.workspace,
        band=house.growth,
        requested_by=client_viewer,
        now=timezone.now(),
    )
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = []
    page.goto("/accounts/login/")
    found.append(violations(page))
    sign_in(client_admin)
    mine = f"/portal/{house.client.pk}/"
    offer = f"top-ups/{house.workspace.pk}/{house.growth.pk}/"
    automatic = f"automatic/{house.workspace.pk}/{house.growth.unit_id}/"
    for path in (*CLIENT_PAGES, offer, automatic, f"invoices/{house.invoice.pk}/"):
        page.goto(mine + path)
        found.append(violations(page))
    sign_in(teammate)
    found.append(violations(page, OURS_IN_THE_ADMIN))
    assert not "".join(found), "\n".join(found)
