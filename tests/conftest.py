"""Plumbing of the suite. What the tests are about lives beside them."""

from __future__ import annotations

import datetime as dt
import importlib
import os

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from hypothesis import HealthCheck, settings

from clients.models import (
    Agency,
    AgencyMember,
    Client,
    ClientMember,
    Meter,
    Platform,
    UnitTemplate,
    UsageUnit,
    User,
    Workspace,
)

settings.register_profile(
    "portal",
    deadline=None,  # a busy machine is no defect
    max_examples=int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("portal")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: make test-postgres")


@pytest.fixture(autouse=True, scope="session")
def _catalogue_outlives_flushes() -> None:
    """Tests that commit end with a flush, which takes the migrated catalogue of units with it."""
    migration = importlib.import_module(
        "clients.migrations.0001_squashed_0015_automatic_on_account"
    )

    def restore(**_kwargs: object) -> None:
        if not UnitTemplate.objects.exists():
            migration.add_templates(apps, None)

    post_migrate.connect(restore, sender=apps.get_app_config("clients"), weak=False)


# --- The cast ----------------------------------------------------------------------------------
# Everybody who appears in the suite. Northwind is the agency that stories are told of; Harbor is
# another one, whose people are outsiders to everything of Northwind's.

NOON = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now() -> dt.datetime:
    """The time of a story that does not say otherwise: Tuesday 10 March 2026, 12:00 UTC."""
    return NOON


@pytest.fixture
def platform(db: None) -> Platform:
    return Platform.objects.create(
        name="Agency Portal",
        legal_name="Agency Portal Inc.",
        address_line1="1 Market Street",
        postal_code="94105",
        city="San Francisco",
        region="CA",
        country="US",
        tax_id="US-12-3456789",
        email="billing@portal.example",
        payment_details="Bank of Example, account 000123456789, routing 110000000",
    )


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator@example.com", "demo-portal", name="Olga")


@pytest.fixture
def northwind(platform: Platform) -> Agency:
    return Agency.objects.create(
        slug="northwind",
        name="Northwind",
        legal_name="Northwind Automation LLC",
        address_line1="20 Pine Street",
        postal_code="10005",
        city="New York",
        region="NY",
        country="US",
        email="hello@northwind.example",
        timezone="America/New_York",
    )


@pytest.fixture
def harbor(platform: Platform) -> Agency:
    return Agency.objects.create(
        slug="harbor",
        name="Harbor",
        legal_name="Harbor KI GmbH",
        country="DE",
        email="hallo@harbor.example",
        timezone="Europe/Berlin",
    )


def _member(agency: Agency, email: str, role: str) -> User:
    user = User.objects.create_user(email, "demo-portal", is_staff=True)
    AgencyMember.objects.create(agency=agency, user=user, role=role)
    return user


@pytest.fixture
def owner(northwind: Agency) -> User:
    return _member(northwind, "owner@northwind.example", AgencyMember.Role.OWNER)


@pytest.fixture
def teammate(northwind: Agency) -> User:
    return _member(northwind, "manager@northwind.example", AgencyMember.Role.MANAGER)


@pytest.fixture
def outsider(harbor: Agency) -> User:
    return _member(harbor, "owner@harbor.example", AgencyMember.Role.OWNER)


@pytest.fixture
def acme(northwind: Agency) -> Client:
    return Client.objects.create(
        agency=northwind,
        slug="acme",
        name="Acme",
        legal_name="Acme Corporation",
        address_line1="7 Road Runner Way",
        postal_code="10013",
        city="New York",
        region="NY",
        country="US",
        email="billing@acme.example",
        currency="USD",
        timezone="America/New_York",
    )


@pytest.fixture
def birch(northwind: Agency) -> Client:
    return Client.objects.create(
        agency=northwind,
        slug="birch",
        name="Birch",
        country="US",
        email="billing@birch.example",
        currency="USD",
        timezone="America/Chicago",
    )


@pytest.fixture
def cedar(harbor: Agency) -> Client:
    return Client.objects.create(
        agency=harbor,
        slug="cedar",
        name="Cedar",
        country="DE",
        email="rechnung@cedar.example",
        currency="EUR",
        timezone="Europe/Berlin",
    )


def _client_member(client: Client, email: str, role: str) -> User:
    user = User.objects.create_user(email, "demo-portal")
    ClientMember.objects.create(client=client, user=user, role=role)
    return user


@pytest.fixture
def client_admin(acme: Client) -> User:
    return _client_member(acme, "admin@acme.example", ClientMember.Role.ADMIN)


@pytest.fixture
def client_viewer(acme: Client) -> User:
    return _client_member(acme, "viewer@acme.example", ClientMember.Role.VIEWER)


@pytest.fixture
def acme_support(acme: Client) -> Workspace:
    return Workspace.objects.create(
        agency=acme.agency, client=acme, slug="acme-support", name="Acme support chat"
    )


@pytest.fixture
def acme_docs(acme: Client) -> Workspace:
    return Workspace.objects.create(
        agency=acme.agency, client=acme, slug="acme-docs", name="Acme documents"
    )


@pytest.fixture
def birch_leads(birch: Client) -> Workspace:
    return Workspace.objects.create(
        agency=birch.agency, client=birch, slug="birch-leads", name="Birch leads"
    )


@pytest.fixture
def cedar_support(cedar: Client) -> Workspace:
    return Workspace.objects.create(
        agency=cedar.agency, client=cedar, slug="cedar-support", name="Cedar support chat"
    )


def _counted_unit(agency: Agency, slug: str, name: str) -> UsageUnit:
    unit = UsageUnit.objects.create(agency=agency, slug=slug, name=name, plural=f"{name}s")
    Meter.objects.create(
        unit=unit,
        version=1,
        aggregation=Meter.Aggregation.COUNT,
        effective_from=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    )
    return unit


@pytest.fixture
def conversation(northwind: Agency) -> UsageUnit:
    return _counted_unit(northwind, "conversation", "conversation")


@pytest.fixture
def page(northwind: Agency) -> UsageUnit:
    return _counted_unit(northwind, "page", "page")


@pytest.fixture
def harbor_conversation(harbor: Agency) -> UsageUnit:
    return _counted_unit(harbor, "conversation", "conversation")
