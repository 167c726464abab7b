"""Automatic top-ups in the console: looked at, switched off with a reason, never on."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from agencyportal.core.periods import quarter_floor
from billing.models import AutomaticTopUp, Mail
from billing.services.automatic_buying import look
from billing.services.automatic_consent import switch_on
from billing.services.automatic_terms import Wanted, digest_of, terms_of
from clients.models import Client
from tests.billing.plan_samples import starter
from tests.billing.story import subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def automatic(acme_support, conversation, client_admin) -> AutomaticTopUp:
    """One was bought on account, and somebody may not any more."""
    moment = timezone.now()
    Client.objects.update(automatic_on_account=True)
    acme_support.client.refresh_from_db()
    version = subscribe(
        acme_support, starter(), quarter_floor(moment - dt.timedelta(days=3))
    ).plan_version
    wanted = Wanted(version.top_ups.get(), Decimal(2000), 2, Decimal(180), "account")
    shown = digest_of(terms_of(workspace=acme_support, wanted=wanted, now=moment))
    made = switch_on(
        workspace=acme_support, wanted=wanted, shown=shown, given_by=client_admin, now=moment
    )
    look(automatic_id=made.pk, now=moment)
    Client.objects.update(automatic_on_account=False)
    look(automatic_id=made.pk, now=moment)
    return made


def test_what_has_stopped_is_counted_on_the_home_page(client, teammate, automatic):
    client.force_login(teammate)
    home = client.get(reverse("admin:index")).content.decode()
    assert "Automatic top-ups stopped" in home
    rows = client.get(
        reverse("admin:billing_automatictopup_changelist"), {"state__exact": "stopped"}
    )
    assert rows.context["cl"].result_count == 1
    assert "Buying on account automatically is not allowed any more." in rows.content.decode()


def test_its_page_says_what_was_agreed_to_and_what_happened(client, teammate, automatic):
    client.force_login(teammate)
    url = reverse("admin:billing_automatictopup_change", args=(automatic.pk,))
    words = client.get(url).content.decode()
    assert "When 2,000 or fewer conversations are left, one Growth 500 is bought" in words
    assert "Switched on by " in words
    assert "Stopped. On account is not allowed any more" in words
    assert client.post(url, {"state": "on"}).status_code == 403
    automatic.refresh_from_db()
    assert automatic.state == "stopped"


def test_a_manager_switches_it_off_and_says_why(client, teammate, automatic):
    client.force_login(teammate)
    url = reverse("admin:billing_automatictopup_switch_off", args=(automatic.pk,))
    assert client.post(url, {"key": "k", "reason": ""}).status_code != 302
    assert client.post(url, {"key": "k", "reason": "Another package comes"}).status_code == 302
    automatic.refresh_from_db()
    assert (automatic.state, automatic.consent) == ("off", None)
    assert "Another package comes" in Mail.objects.get(subject__contains="switched").body_text
    again = client.post(url, {"key": "k2", "reason": "Once more"})
    assert again.status_code != 302
