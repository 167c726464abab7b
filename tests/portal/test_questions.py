"""The question and its answer in the portal, and the client's own limits."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from billing.models import Cap, OverageAnswer, OverageQuestion
from billing.services.attention import attend
from billing.services.caps import set_cap
from clients.models import AgencyMember, ClientMember, Workspace
from clients.services.recording import SubmittedEvent, record_events
from tests.billing.story import subscribe
from tests.billing.test_asking import asking

from .conftest import MARCH, NOON
from .pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def docs(story, acme_docs, conversation) -> Workspace:
    """105 of 100 conversations used since this morning, and the client is asked."""
    subscribe(acme_docs, asking(cap_amount="50"), MARCH)
    event = SubmittedEvent(id="one", unit="conversation", quantity=Decimal(105), time=NOON)
    record_events(workspace=acme_docs, events=[event], now=NOON)
    attend(workspace_id=acme_docs.pk, now=NOON)
    return acme_docs


@pytest.fixture
def question(docs) -> OverageQuestion:
    return OverageQuestion.objects.get(workspace=docs)


class TestAnswering:
    def test_usage_and_alerts_lead_to_the_question(self, story, question, admin, viewer):
        for path in ("", "alerts/"):
            page = admin.get(story.url(path))
            assert story.url(f"questions/{question.pk}/") in page.content.decode()
            assert "may it go on?" in text_of(page)
        assert "See the question" in text_of(viewer.get(story.url()))

    def test_the_page_spells_out_what_each_answer_costs(self, story, question, admin):
        words = text_of(admin.get(story.url(f"questions/{question.pk}/")))

        assert "$0.10 for each further conversation before tax" in words
        assert "Never more than $50.00 in a period" in words
        assert "Up to 20 conversations are let in, which cost $2.00 at most" in words
        assert "The service goes on until March 31, 2026" in words
        assert "Nothing beyond the package is let in until March 31, 2026" in words

    def test_an_admin_agrees_once(self, story, question, admin, client_admin):
        url = story.url(f"questions/{question.pk}/answer/")
        for _ in range(2):
            assert admin.post(url, {"answer": "yes"}).status_code == 302

        given = OverageAnswer.objects.get()
        assert (given.verdict, given.answered_by, given.on_behalf) == (
            "approved",
            client_admin,
            False,
        )
        page = admin.post(url, {"answer": "no"})
        assert page.status_code == 409
        assert "has answered already: approved" in text_of(page)
        assert "You agreed for this period" in text_of(admin.get(story.url()))

    def test_an_admin_refuses(self, story, question, admin):
        admin.post(story.url(f"questions/{question.pk}/answer/"), {"answer": "no"})

        assert OverageAnswer.objects.get().verdict == "refused"
        words = text_of(admin.get(story.url(f"questions/{question.pk}/")))
        assert "refused on" in words
        assert "Yes, go on" not in words

    def test_a_damaged_form_decides_nothing(self, story, question, admin):
        page = admin.post(story.url(f"questions/{question.pk}/answer/"), {"answer": "maybe"})
        assert page.status_code == 400
        assert not OverageAnswer.objects.exists()

    def test_a_viewer_may_look_and_not_answer(self, story, question, viewer):
        page = viewer.get(story.url(f"questions/{question.pk}/"))
        assert "An admin of Acme" in text_of(page)
        assert "Yes, go on and charge it" not in text_of(page)
        url = story.url(f"questions/{question.pk}/answer/")
        assert viewer.post(url, {"answer": "yes"}).status_code == 403
        assert not OverageAnswer.objects.exists()

    def test_too_late_is_said(self, story, question, admin, monkeypatch):
        later = question.answer_by + dt.timedelta(minutes=1)
        monkeypatch.setattr("django.utils.timezone.now", lambda: later)

        page = admin.get(story.url(f"questions/{question.pk}/"))
        assert "Not answered in time" in text_of(page)
        url = story.url(f"questions/{question.pk}/answer/")
        assert admin.post(url, {"answer": "yes"}).status_code == 409


class TestLimits:
    def test_without_any_the_page_says_so(self, story, admin):
        words = text_of(admin.get(story.url("limits/")))
        assert "No limit is set." in words
        assert "You have set none." in words

    def test_an_admin_sets_and_lifts_a_limit(self, story, docs, admin, client_admin):
        unit = docs.windows.get(start=MARCH).unit
        form = {"where": docs.pk, "what": unit.pk, "limit": "300"}
        assert admin.post(story.url("limits/own/"), form).status_code == 302

        cap = Cap.objects.get()
        assert (cap.workspace, cap.quantity, cap.set_by) == (docs, 300, "client")
        assert cap.created_by == client_admin
        page = text_of(admin.get(story.url("limits/")))
        assert "105 of 300 conversations" in page
        assert "Set by: You." in page
        assert "Stops at 300 conversations." in text_of(admin.get(story.url()))

        lift = {"where": docs.pk, "what": unit.pk, "lift": "1"}
        assert admin.post(story.url("limits/own/"), lift).status_code == 302
        assert "No limit is set." in text_of(admin.get(story.url("limits/")))

    def test_spending_is_limited_over_all_workspaces(self, story, docs, admin):
        form = {"where": "all", "what": "spend", "limit": "20.50"}
        assert admin.post(story.url("limits/own/"), form).status_code == 302

        cap = Cap.objects.get()
        assert (cap.client, cap.workspace, cap.kind, cap.amount) == (
            story.client,
            None,
            "spend",
            Decimal("20.50"),
        )
        assert "$0.50 of $20.50" in text_of(admin.get(story.url("limits/")))

    def test_it_never_loosens_the_agencys(self, story, docs, admin, acme):
        set_cap(
            agency=acme.agency,
            client=acme,
            kind="spend",
            limit=Decimal(10),
            now=NOON,
            set_by=None,
        )
        page = admin.post(
            story.url("limits/own/"), {"where": "all", "what": "spend", "limit": "20"}
        )
        assert page.status_code == 409
        assert "yours can be up to that" in text_of(page)

        admin.post(story.url("limits/own/"), {"where": "all", "what": "spend", "lift": "1"})
        assert "of $10.00" in text_of(admin.get(story.url("limits/")))

    @pytest.mark.parametrize("limit", ["", "-1", "many", "0.001"])
    def test_what_is_no_limit_is_said_at_its_field(self, story, docs, admin, limit):
        page = admin.post(
            story.url("limits/own/"), {"where": "all", "what": "spend", "limit": limit}
        )
        assert page.status_code == 400
        assert 'aria-invalid="true"' in page.content.decode()
        assert not Cap.objects.exists()

    def test_what_calls_cost_is_not_shown(self, story, docs, admin, acme):
        set_cap(
            agency=acme.agency, client=acme, kind="cost", limit=Decimal(77), now=NOON, set_by=None
        )
        for path in ("", "limits/"):
            assert "77" not in text_of(admin.get(story.url(path)))

    def test_viewers_see_them_and_set_none(self, story, docs, viewer):
        assert "The admins of Acme" in text_of(viewer.get(story.url("limits/")))
        form = {"where": "all", "what": "spend", "limit": "20"}
        assert viewer.post(story.url("limits/own/"), form).status_code == 403
        assert not Cap.objects.exists()

    def test_an_owner_who_is_also_the_clients_admin_sets_the_clients_own(
        self, story, docs, owner, browse, acme
    ):
        assert acme.agency.members.filter(user=owner, role=AgencyMember.Role.OWNER).exists()
        ClientMember.objects.create(client=acme, user=owner, role=ClientMember.Role.ADMIN)

        browse(owner).post(
            story.url("limits/own/"), {"where": "all", "what": "spend", "limit": "20"}
        )

        assert Cap.objects.get().set_by == "client"
