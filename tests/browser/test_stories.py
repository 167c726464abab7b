"""What people do, as they do it: look, click, and see that it happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from billing.models import Payment, TopUpRequest
from clients.models import User

from .conftest import PASSWORD, House, SignIn

REFERENCE = "Wire 4711"
INVOICE = "/admin/billing/invoice/{}/change/"


def test_a_manager_finds_a_client_and_records_a_payment(
    page: Page, house: House, teammate: User, sign_in: SignIn
) -> None:
    sign_in(teammate)
    page.get_by_role("link", name="Clients").first.click()
    page.locator("input[name=q]").fill("acm")
    page.keyboard.press("Enter")
    page.get_by_role("rowheader", name="Acme").get_by_role("link").click()
    page.get_by_role("link", name="Invoices", exact=True).click()
    page.locator(f"a[href^='{INVOICE.format(house.invoice.pk)}']:visible").first.click()
    page.get_by_role("link", name="Record a payment").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Amount in USD")).to_have_value("2999")
    dialog.get_by_label("Reference").fill(REFERENCE)
    dialog.get_by_role("button", name="Record the payment").click()
    expect(page.get_by_text("Recorded $2,999.00").first).to_be_visible()
    expect(page.get_by_text("Paid", exact=True).first).to_be_visible()
    payment = Payment.objects.get(invoice=house.invoice)
    assert (payment.amount, payment.reference) == (house.invoice.total, REFERENCE)
    assert payment.recorded_by == teammate


def test_a_clients_admin_sees_usage_buys_on_account_and_downloads_the_invoice(
    page: Page, house: House, client_admin: User, sign_in: SignIn, tmp_path: Path
) -> None:
    sign_in(client_admin)
    expect(page.get_by_role("heading", name="Usage", level=1)).to_be_visible()
    expect(page.get_by_text("100 conversations left").first).to_be_visible()
    page.get_by_role("link", name="Buy Growth 500").first.click()
    page.get_by_role("button", name="Buy for $60.00").click()
    expect(page.get_by_text("500 conversations").first).to_be_visible()
    page.get_by_role("link", name="Usage", exact=True).first.click()
    expect(page.get_by_text("600 conversations left").first).to_be_visible()
    assert house.workspace.purchases.get().purchased_by == client_admin

    page.get_by_role("link", name="Invoices").first.click()
    with page.expect_download() as started:
        page.get_by_role("link", name=f"Download {house.invoice.number}").click()
    file = tmp_path / "invoice.pdf"
    started.value.save_as(file)
    assert started.value.suggested_filename == f"{house.invoice.number}.pdf"
    assert file.read_bytes().startswith(b"%PDF")


def test_a_viewer_asks_and_an_admin_approves(
    page: Page, house: House, client_admin: User, client_viewer: User, sign_in: SignIn
) -> None:
    sign_in(client_viewer)
    page.get_by_role("link", name="Ask for Growth 500").or_(
        page.get_by_role("link", name="Ask for it Growth 500")
    ).first.click()
    page.get_by_role("textbox").first.fill("The winter sale starts next week.")
    page.get_by_role("button", name="Send the request").click()
    asked = TopUpRequest.objects.get()
    assert (asked.state, asked.requested_by) == ("pending", client_viewer)
    assert not house.workspace.purchases.exists()

    sign_in(client_admin)
    page.get_by_role("link", name="Look and decide").click()
    page.get_by_role("link", name="Growth 500").first.click()
    expect(page.get_by_text("The winter sale starts next week.")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("link", name="Usage", exact=True).first.click()
    expect(page.get_by_text("600 conversations left").first).to_be_visible()
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == ("approved", client_admin)


@pytest.mark.usefixtures("house")
def test_the_keyboard_alone_signs_in_and_reaches_the_buy_button(
    page: Page, client_admin: User
) -> None:
    page.goto("/")
    _tab_to(page, "input[type=email]")
    page.keyboard.type(client_admin.email)
    _tab_to(page, "input[type=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/*/")
    _tab_to(page, "a[href*='/top-ups/'].button--primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/top-ups/*/*/")
    _tab_to(page, "button.button--primary[type=submit]")
    focused = page.locator(":focus")
    expect(focused).to_have_text("Buy for $60.00")
    style = focused.evaluate("element => getComputedStyle(element).outlineStyle")
    assert style != "none", "who uses a keyboard sees where they are"


def _tab_to(page: Page, selector: str, most: int = 40) -> None:
    """Press Tab until what ``selector`` names has the focus."""
    for _ in range(most):
        if page.locator(f"{selector}:focus").count():
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{most} times Tab does not lead to {selector}")
