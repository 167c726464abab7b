"""Webhooks in the admin: endpoints, their secrets, tests, and sending again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from billing.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from billing.services.webhooks import rotate_secret, save_endpoint, send_test
from clients.models import Agency, User

ADD = "/admin/billing/webhookendpoint/add/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_owner(owner: User, client: Browser) -> Browser:
    client.force_login(owner)
    return client


@pytest.fixture
def endpoint(northwind: Agency) -> WebhookEndpoint:
    return save_endpoint(
        agency=northwind,
        url="https://hooks.example.com/in",
        types=["alert.crossed"],
        now=timezone.now(),
    )


def page(endpoint: WebhookEndpoint, dialog: str) -> str:
    return f"/admin/billing/webhookendpoint/{endpoint.pk}/{dialog}/"


def said(agency: Agency, **other: Any) -> dict[str, Any]:
    return {
        "agency": agency.pk,
        "url": "https://hooks.example.com/in",
        "types": ["alert.crossed", "invoice.issued"],
        "is_active": "on",
        **other,
    }


def test_an_owner_adds_an_endpoint(as_owner: Browser, northwind: Agency) -> None:
    response = as_owner.post(ADD, said(northwind))

    assert response.status_code == 302, response.context["adminform"].form.errors
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.types == ["alert.crossed", "invoice.issued"]
    assert str(endpoint.created_by) == "owner@northwind.example"


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "https://10.0.0.1/", "https://localhost/"]
)
def test_an_address_inside_is_refused_at_its_field(
    as_owner: Browser, northwind: Agency, url: str
) -> None:
    response = as_owner.post(ADD, said(northwind, url=url))

    assert list(response.context["adminform"].form.errors) == ["url"]
    assert not WebhookEndpoint.objects.exists()


def test_a_secret_is_shown_once_and_made_once(as_owner: Browser, endpoint: WebhookEndpoint) -> None:
    path = page(endpoint, "new-secret")
    form = as_owner.get(path).context["form"]
    hidden = {field.html_name: field.value() or "" for field in form.hidden_fields()}

    shown = as_owner.post(path, hidden).content.decode()
    as_owner.post(path, hidden)

    secret = WebhookSecret.objects.get().secret
    assert secret in shown.replace("&#x2B;", "+")
    again = as_owner.get(f"/admin/billing/webhookendpoint/{endpoint.pk}/change/")
    assert secret not in again.content.decode()


def test_a_test_and_sending_again(as_owner: Browser, endpoint: WebhookEndpoint) -> None:
    rotate_secret(endpoint=endpoint, now=timezone.now())
    path = page(endpoint, "send-test")
    as_owner.post(path, {"key": "one"})
    as_owner.post(path, {"key": "one"})
    delivery = WebhookDelivery.objects.get()

    WebhookDelivery.objects.update(state="failed", tries=10)
    as_owner.post(f"/admin/billing/webhookdelivery/{delivery.pk}/replay/", {"key": "two"})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == ("pending", 0)


def test_managers_test_and_owners_decide(
    endpoint: WebhookEndpoint, teammate: User, northwind: Agency, client: Browser
) -> None:
    rotate_secret(endpoint=endpoint, now=timezone.now())
    client.force_login(teammate)

    assert client.post(ADD, said(northwind)).status_code == 403
    assert client.get(page(endpoint, "new-secret")).status_code == 403
    assert client.get(page(endpoint, "send-test")).status_code == 200


def test_outsiders_find_nothing(endpoint: WebhookEndpoint, outsider: User, client: Browser) -> None:
    rotate_secret(endpoint=endpoint, now=timezone.now())
    delivery = send_test(endpoint=endpoint, key="one", now=timezone.now())
    client.force_login(outsider)

    for path in (
        page(endpoint, "change"),
        page(endpoint, "new-secret"),
        page(endpoint, "send-test"),
        f"/admin/billing/webhookdelivery/{delivery.pk}/change/",
        f"/admin/billing/webhookdelivery/{delivery.pk}/replay/",
    ):
        assert client.get(path).status_code == 404, path
        assert client.post(path, {"key": "x"}).status_code == 404, path
    assert delivery.endpoint.secrets.count() == 1
