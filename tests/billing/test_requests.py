"""Top-ups that a viewer asks for, and who decides about them."""

from __future__ import annotations

import pytest

from billing.models import CreditGrant, TopUpBand, TopUpRequest
from billing.refusals import RefusedError
from billing.services.requests import (
    approve_request,
    ask_for_top_up,
    decline_request,
    may_decide,
)

from .plan_samples import NEW_YORK_2026, band, starter
from .story import subscribe

pytestmark = pytest.mark.django_db

NOW = NEW_YORK_2026[1]


@pytest.fixture
def growth(acme_support, conversation) -> TopUpBand:
    return subscribe(acme_support, starter(), NOW).plan_version.top_ups.get()


@pytest.fixture
def asked(acme_support, growth, client_viewer) -> TopUpRequest:
    return ask_for_top_up(
        workspace=acme_support, band=growth, requested_by=client_viewer, now=NOW, note=" Sale "
    )


def test_asking_twice_is_asking_once(acme_support, growth, asked, client_viewer, client_admin):
    again = ask_for_top_up(
        workspace=acme_support, band=growth, requested_by=client_admin, now=NOW, note="Again"
    )

    assert again == asked
    assert (asked.state, asked.note, asked.requested_by) == ("pending", "Sale", client_viewer)
    assert not CreditGrant.objects.filter(kind="top_up").exists()


def test_approving_buys_once(asked, client_admin, teammate):
    first = approve_request(request=asked, decided_by=client_admin, now=NOW)
    again = approve_request(request=asked, decided_by=teammate, now=NOW)

    asked.refresh_from_db()
    assert first == again == asked.purchase
    assert (asked.state, asked.decided_by, first.purchased_by) == (
        "approved",
        client_admin,
        client_admin,
    )
    assert CreditGrant.objects.get(kind="top_up").quantity == 500
    with pytest.raises(RefusedError, match="approved"):
        decline_request(request=asked, decided_by=client_admin, now=NOW)


def test_what_is_declined_is_not_bought_and_may_be_asked_again(
    acme_support, growth, asked, client_viewer, teammate
):
    for _ in range(2):
        assert decline_request(request=asked, decided_by=teammate, now=NOW).state == "declined"

    with pytest.raises(RefusedError, match="declined"):
        approve_request(request=asked, decided_by=teammate, now=NOW)
    assert not CreditGrant.objects.filter(kind="top_up").exists()
    new = ask_for_top_up(workspace=acme_support, band=growth, requested_by=client_viewer, now=NOW)
    assert new != asked


@pytest.mark.parametrize("who", ["client_viewer", "outsider"])
def test_others_do_not_decide(request, asked, who):
    person = request.getfixturevalue(who)

    for decide in (approve_request, decline_request):
        with pytest.raises(RefusedError, match="may not decide"):
            decide(request=asked, decided_by=person, now=NOW)
    asked.refresh_from_db()
    assert asked.state == "pending"


@pytest.mark.parametrize("who", ["client_admin", "owner", "teammate", "operator"])
def test_those_who_may_buy_decide(request, acme_support, who):
    assert may_decide(workspace=acme_support, user=request.getfixturevalue(who))


def test_who_has_left_decides_nothing(acme_support, client_admin):
    client_admin.is_active = False

    assert not may_decide(workspace=acme_support, user=client_admin)


def test_an_outsider_cannot_ask(acme_support, growth, outsider):
    with pytest.raises(RefusedError, match="no part in"):
        ask_for_top_up(workspace=acme_support, band=growth, requested_by=outsider, now=NOW)


def test_a_band_of_another_plan_cannot_be_asked_for(
    acme_support, acme_docs, growth, conversation, client_viewer
):
    other = starter(name="Other", top_ups=[band("Other 100")])
    strange = subscribe(acme_docs, other, NOW).plan_version.top_ups.get()

    with pytest.raises(RefusedError, match="does not offer"):
        ask_for_top_up(workspace=acme_support, band=strange, requested_by=client_viewer, now=NOW)
    with pytest.raises(RefusedError, match="at most 500"):
        ask_for_top_up(
            workspace=acme_support,
            band=growth,
            requested_by=client_viewer,
            now=NOW,
            note="n" * 501,
        )


def test_what_only_the_agency_buys_a_clients_admin_cannot_approve(
    acme_support, conversation, client_viewer, client_admin, teammate
):
    plan = starter(top_ups=[band(buyer="agency")])
    ours = subscribe(acme_support, plan, NOW).plan_version.top_ups.get()
    asked = ask_for_top_up(workspace=acme_support, band=ours, requested_by=client_viewer, now=NOW)

    with pytest.raises(RefusedError, match="Only the agency"):
        approve_request(request=asked, decided_by=client_admin, now=NOW)
    assert approve_request(request=asked, decided_by=teammate, now=NOW).quantity == 500
