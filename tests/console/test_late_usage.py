"""Late usage and corrections in the admin: lists, what became of an event, and the dialog."""

from __future__ import annotations

import pytest
from django.urls import reverse

from billing.models import LateSettlement
from billing.services.late_usage import settle_workspace
from clients.models import UsageCorrection, UsageEvent
from tests.billing.plan_samples import starter
from tests.billing.story import close, periods_of, subscribe
from tests.billing.test_late_usage import JANUARY, MID_FEBRUARY, MID_JANUARY, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(acme_support, conversation) -> UsageEvent:
    """Seven conversations of January that came in February."""
    subscribe(acme_support, starter(), JANUARY)
    close(periods_of(acme_support)[0])
    report(acme_support, "late", MID_JANUARY, 7, now=MID_FEBRUARY)
    settle_workspace(workspace_id=acme_support.pk, now=MID_FEBRUARY)
    return UsageEvent.objects.get()


def test_a_manager_corrects_an_event_from_its_page(client, teammate, event):
    client.force_login(teammate)
    url = reverse("admin:clients_usageevent_correct", args=(event.pk,))
    assert client.get(url).status_code == 200

    answer = {"key": "k", "quantity": "5", "reason": "Two were tests"}
    for _ in range(2):
        assert client.post(url, answer).status_code == 302

    done = UsageCorrection.objects.get()
    assert (done.quantity, done.reason, done.created_by) == (5, "Two were tests", teammate)


def test_what_became_of_it_is_shown(client, teammate, event):
    client.force_login(teammate)
    client.post(
        reverse("admin:clients_usageevent_correct", args=(event.pk,)),
        {"key": "k", "quantity": "5", "reason": "Two were tests"},
    )
    for name, row in (
        ("clients_usageevent", event),
        ("clients_usagecorrection", UsageCorrection.objects.get()),
        ("billing_latesettlement", LateSettlement.objects.get()),
    ):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
        page = client.get(reverse(f"admin:{name}_change", args=(row.pk,)))
        assert page.status_code == 200
    assert b"late" in page.content
