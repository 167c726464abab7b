"""Questions and caps in the console: who waits for an answer, answering for a client, how far a
cap is used."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from agencyportal.core.periods import quarter_floor
from billing.models import OverageAnswer, OverageQuestion
from billing.services.attention import attend
from billing.services.caps import set_cap
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.story import subscribe
from tests.billing.test_asking import asking

pytestmark = pytest.mark.django_db


@pytest.fixture
def question(acme_support, conversation) -> OverageQuestion:
    """Acme has used 105 of 100 and is asked."""
    moment = timezone.now()
    subscribe(acme_support, asking(), quarter_floor(moment - dt.timedelta(days=3)))
    event = SubmittedEvent(id="one", unit="conversation", quantity=Decimal(105))
    record_events(workspace=acme_support, events=[event], now=moment)
    attend(workspace_id=acme_support.pk, now=moment)
    return OverageQuestion.objects.get()


def test_the_home_page_leads_to_who_waits(client, teammate, question):
    client.force_login(teammate)
    home = client.get(reverse("admin:index")).content.decode()
    assert "Clients asked" in home
    rows = client.get(reverse("admin:billing_overagequestion_changelist"), {"asked": "open"})
    assert "Waiting" in rows.content.decode()
    assert rows.context["cl"].result_count == 1


@pytest.mark.parametrize(("dialog", "verdict"), [("approve", "approved"), ("refuse", "refused")])
def test_a_manager_answers_for_the_client_and_says_why(client, teammate, question, dialog, verdict):
    client.force_login(teammate)
    url = reverse(f"admin:billing_overagequestion_{dialog}", args=(question.pk,))
    page = client.get(url).content.decode()
    assert "$2.00" in page  # at most, until answered
    assert "cannot be taken back" in page

    assert client.post(url, {"key": "k", "reason": ""}).status_code != 302
    assert not OverageAnswer.objects.exists()
    assert client.post(url, {"key": "k", "reason": "On the phone"}).status_code == 302

    given = OverageAnswer.objects.get()
    assert (given.verdict, given.answered_by, given.on_behalf) == (verdict, teammate, True)
    page = client.get(reverse("admin:billing_overagequestion_change", args=(question.pk,)))
    assert "On the phone" in page.content.decode()


def test_caps_are_on_the_pages_of_workspace_and_client(client, teammate, question, acme):
    set_cap(
        agency=acme.agency,
        workspace=question.workspace,
        kind="units",
        unit=question.unit,
        limit=Decimal(210),
        now=timezone.now(),
        set_by=None,
    )
    client.force_login(teammate)
    for name, row in (("workspace", question.workspace), ("client", acme)):
        page = client.get(reverse(f"admin:clients_{name}_change", args=(row.pk,)))
        words = page.content.decode()
        assert "105 of 210 used" in words
        assert "50 %" in words
        assert "105 left" in words


def test_without_caps_there_is_no_panel(client, teammate, question):
    client.force_login(teammate)
    page = client.get(reverse("admin:clients_workspace_change", args=(question.workspace_id,)))
    assert 'aria-label="Caps"' not in page.content.decode()
