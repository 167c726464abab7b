"""The payout run and a payout's dialogs: the operator decides, the agency reads."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser

from billing.models import Mail
from clients.models import Agency, User
from payouts.models import (
    AdjustmentRequest,
    BankAccount,
    BankFile,
    Payout,
    StatementDocument,
    Transfer,
)
from payouts.services.payouts import build_payouts
from payouts.services.terms import set_payout_terms
from tests.console.conftest import browser_of
from tests.payouts.accounts import IBAN, give_account
from tests.payouts.test_payouts import FEBRUARY_ENDS, earn, february

RUN = "/admin/payouts/payout/run/"
KEY = "0" * 32


@pytest.fixture
def payouts(northwind: Agency, harbor: Agency) -> list[Payout]:
    """10.00 for Northwind and 20.00 EUR for Harbor in February."""
    earn(northwind, "10.00", february(3))
    for agency in (northwind, harbor):
        give_account(agency)
    earn(harbor, "20.00", february(3), currency="EUR")
    return build_payouts(now=FEBRUARY_ENDS)


def of(payout: Payout, what: str) -> str:
    return f"/admin/payouts/payout/{payout.pk}/{what}/"


def states() -> list[str]:
    return list(Payout.objects.order_by("pk").values_list("state", flat=True))


def test_many_are_approved_at_once_and_those_that_cannot_be_say_why(
    payouts: list[Payout], harbor: Agency, operator: User, as_operator: Browser
) -> None:
    set_payout_terms(agency=harbor, payout_day=2, changed_by=operator, now=FEBRUARY_ENDS)
    page = as_operator.get(RUN).content.decode()
    assert "Payout run, February 2026" in page
    assert page.count('name="payouts"') == 1
    assert "Not to be approved by Olga, who changed the payout terms on 1 March 2026." in page

    sent = {"key": KEY, "payouts": [payout.pk for payout in payouts]}
    answer = as_operator.post(f"{RUN}?month=2026-02", sent, follow=True)
    told = [str(message) for message in answer.context["messages"]]
    refused, done = told
    assert refused.startswith("PAY-2026-000002, Harbor: Somebody else has to approve it: you chan")
    assert done == "1 payout approved."
    assert states() == ["approved", "draft"]
    assert LogEntry.objects.get().change_message == "$10.00 for Northwind is approved."


def test_a_run_without_payouts_says_so(as_operator: Browser) -> None:
    assert "No payouts yet." in as_operator.get(RUN).content.decode()
    assert as_operator.get(f"{RUN}?month=soon").status_code == 404


def test_nothing_chosen_is_said(payouts: list[Payout], as_operator: Browser) -> None:
    answer = as_operator.post(f"{RUN}?month=2026-02", {"key": KEY}, follow=True)
    assert [str(m) for m in answer.context["messages"]] == ["Choose the payouts to approve."]
    assert states() == ["draft", "draft"]


def test_a_payout_is_approved_paid_and_comes_back_in_dialogs(
    payouts: list[Payout], as_operator: Browser
) -> None:
    payout = payouts[0]
    steps: list[tuple[str, dict[str, Any]]] = [
        ("approve", {"note": "Looked at the refunds"}),
        ("withdraw", {"reason": "Too early"}),
        ("approve", {}),
        ("paid", {"paid_on": "2026-03-02", "reference": "Wire 7"}),
        ("failed", {"reason": "Came back"}),
        ("cancel", {"reason": "With the next"}),
    ]
    for number, (slug, said) in enumerate(steps):
        assert as_operator.get(of(payout, slug)).status_code == 200
        answer = as_operator.post(of(payout, slug), {"key": f"{number:032}", **said})
        assert answer.status_code == 302, answer.content.decode()
    payout.refresh_from_db()
    assert payout.state == "cancelled"
    page = as_operator.get(of(payout, "change")).content.decode()
    assert "Its amount opens the next payout that is made up." in page
    assert "Wire 7" in page
    assert "This payout is cancelled." in as_operator.get(of(payout, "approve")).content.decode()


def test_a_day_to_come_is_refused_at_its_field(payouts: list[Payout], as_operator: Browser) -> None:
    as_operator.post(of(payouts[0], "approve"), {"key": KEY})
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
    answer = as_operator.post(
        of(payouts[0], "paid"), {"key": KEY, "paid_on": f"{tomorrow}", "reference": "W"}
    )
    assert "has not come yet" in str(answer.context["form"].errors["paid_on"])


@pytest.mark.parametrize("who", ["as_owner", "as_finance", "as_manager", "as_viewer"])
def test_the_agency_reads_its_payouts_and_decides_nothing(
    payouts: list[Payout], who: str, request: pytest.FixtureRequest
) -> None:
    browser: Browser = request.getfixturevalue(who)
    mine, other = payouts
    assert browser.get(of(mine, "change")).status_code == 200
    assert browser.get(of(other, "change")).status_code == 404
    assert browser.get(RUN).status_code == 404
    assert browser.post(RUN, {"key": KEY, "payouts": [mine.pk]}).status_code == 404
    for slug in ("approve", "withdraw", "paid", "failed", "cancel"):
        assert browser.post(of(mine, slug), {"key": KEY, "reason": "x"}).status_code == 403
        assert browser.post(of(other, slug), {"key": KEY, "reason": "x"}).status_code == 404
    assert states() == ["draft", "draft"]


def test_a_statement_that_failed_is_made_again_and_its_message_sent_again(
    payouts: list[Payout], as_owner: Browser, as_viewer: Browser, as_outsider: Browser
) -> None:
    payout = payouts[0]
    document = StatementDocument.objects.get(payout=payout)
    StatementDocument.objects.filter(pk=document.pk).update(
        state="failed", attempts=5, error="Font"
    )
    assert "Font" in as_owner.get(of(payout, "retry-statement")).content.decode()
    sent = {"key": KEY}
    for browser, status in ((as_viewer, 403), (as_outsider, 404)):
        for what in ("retry-statement", "resend-statement"):
            assert browser.post(of(payout, what), sent).status_code == status
    for _twice in range(2):
        as_owner.post(of(payout, "retry-statement"), sent)
        as_owner.post(of(payout, "resend-statement"), sent)
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("pending", 0)
    again = Mail.objects.filter(key__startswith=f"statement:{payout.number}:")
    assert [mail.recipients for mail in again] == [["owner@northwind.example"]]


def test_a_message_that_was_given_up_is_sent_after_all(
    payouts: list[Payout], as_owner: Browser, as_outsider: Browser
) -> None:
    mail = Mail.objects.filter(agency=payouts[0].agency).earliest("pk")
    Mail.objects.filter(pk=mail.pk).update(
        state="failed", attempts=8, error="Refused", recipients=["finance@northwind.example"]
    )
    page = f"/admin/billing/mail/{mail.pk}/retry/"
    assert as_outsider.post(page, {"key": KEY}).status_code == 404
    assert "Refused" in as_owner.get(page).content.decode()
    for _twice in range(2):
        as_owner.post(page, {"key": KEY})
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("pending", 0)


def test_an_adjustment_is_asked_for_by_one_and_approved_by_another(
    northwind: Agency, as_operator: Browser, as_owner: Browser
) -> None:
    said = {"key": KEY, "amount": "-4.50", "currency": "USD", "reason": "Goodwill"}
    ask = f"/admin/clients/agency/{northwind.pk}/adjust-earnings/"
    assert as_owner.post(ask, said).status_code == 403
    assert as_operator.post(ask, said).status_code == 302
    row = AdjustmentRequest.objects.get()
    decide = f"/admin/payouts/adjustmentrequest/{row.pk}"
    assert "you asked for it" in as_operator.get(f"{decide}/approve/").content.decode()
    refused = as_operator.post(f"{decide}/approve/", {"key": KEY})
    assert "Somebody else has to decide" in str(refused.context["form"].errors)
    assert as_owner.post(f"{decide}/approve/", {"key": KEY}).status_code == 403
    second = browser_of(User.objects.create_superuser("second@example.com", "demo-portal"))
    assert second.post(f"{decide}/approve/", {"key": KEY}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.earning.amount) == ("approved", row.amount)
    assert "Goodwill" in as_owner.get(f"{decide}/change/").content.decode()


def test_approved_payouts_go_into_one_file_and_are_paid_with_it(
    payouts: list[Payout], as_operator: Browser, as_owner: Browser
) -> None:
    as_operator.post(f"{RUN}?month=2026-02", {"key": KEY, "payouts": [payouts[0].pk]})
    assert "Make the bank file in USD" in as_operator.get(RUN).content.decode()
    for _ in range(2):
        as_operator.post(f"{RUN}?month=2026-02", {"key": KEY, "currency": "USD"})
    file = BankFile.objects.get()
    path = f"/admin/payouts/bankfile/{file.pk}"
    text = b"".join(as_operator.get(f"{path}/csv/")).decode()
    assert text.splitlines()[1] == (
        f"PAY-2026-000001,Northwind Automation LLC,Northwind Automation LLC,{IBAN},,,,DE,10.00,USD,"
        "PAY-2026-000001"
    )
    page = as_operator.get(f"{path}/change/").content.decode()
    assert "$10.00" in page
    assert IBAN not in page
    refused = as_operator.post(of(payouts[0], "cancel"), {"key": KEY, "reason": "x"})
    assert "It is in Bank file" in str(refused.context["form"].errors)
    said = {"key": KEY, "paid_on": "2026-03-02", "reference": "Batch 12"}
    assert as_operator.post(f"{path}/paid/", said).status_code == 302
    transfer = Transfer.objects.get()
    assert (transfer.state, transfer.reference) == ("paid", "Batch 12")
    assert states() == ["paid", "draft"]
    assert as_owner.get(f"{path}/csv/").status_code == 404
    seen = as_owner.get(f"/admin/payouts/transfer/{transfer.pk}/change/").content.decode()
    assert "DE** **** 3000" in seen


def test_the_owner_adds_and_stops_a_bank_account_that_nobody_sees_whole(
    northwind: Agency, as_owner: Browser, as_finance: Browser, as_outsider: Browser
) -> None:
    path = f"/admin/clients/agency/{northwind.pk}/bank-account/"
    said = {"key": KEY, "holder": "Northwind", "iban": "DE89 3704 0044 0532 0130 00"}
    assert as_finance.post(path, said).status_code == 403
    assert as_outsider.post(path, said).status_code == 404
    wrong = as_owner.post(path, {**said, "iban": "DE89 3704 0044 0532 0130 01"})
    assert "no IBAN" in str(wrong.context["form"].errors["iban"])
    for _ in range(2):
        assert as_owner.post(path, said).status_code == 302
    account = BankAccount.objects.get()
    page = f"/admin/payouts/bankaccount/{account.pk}"
    shown = as_owner.get(f"{page}/change/").content.decode()
    assert "DE** **** 3000" in shown
    assert IBAN not in shown
    assert IBAN not in as_finance.get("/admin/payouts/bankaccount/").content.decode()
    assert as_finance.post(f"{page}/stop/", {"key": KEY}).status_code == 403
    assert as_outsider.post(f"{page}/stop/", {"key": KEY}).status_code == 404
    assert as_owner.post(f"{page}/stop/", {"key": KEY}).status_code == 302
    account.refresh_from_db()
    assert account.stopped_at is not None
