"""Puts the demo's cast on stage. Everything is looked for first: a second run adds nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from agencyportal.core.periods import local_date, local_day_start
from agencyportal.demo.cast import AGENCIES, OPERATOR, PLATFORM, RATES
from agencyportal.demo.packages import PACKAGES
from agencyportal.demo.roles import DemoAgency, DemoClient, DemoUnit, DemoWorkspace, Person
from billing.models import AlertKind, AlertRule, PlanVersion, TaxRate
from billing.services.plans import import_plan
from clients.models import (
    Agency,
    AgencyMember,
    Client,
    ClientMember,
    ExchangeRate,
    Meter,
    Platform,
    UsageUnit,
    User,
    Workspace,
    WorkspaceKey,
)
from clients.services.keys import create_key, hash_of
from clients.services.people import (
    add_client_member,
    add_member,
    create_agency,
    create_client,
    create_workspace,
)
from clients.services.units import create_unit
from payouts.models import BankAccount, PayoutTerms, PlatformFeeRule

BEGINNING = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
"""From when the demo's meters, taxes and fees are in force."""

BANKS = {
    "DE": {"country": "DE", "iban": "DE89370400440532013000", "bic": "COBADEFF"},
    "US": {"country": "US", "account_number": "000123456789", "routing_number": "111000025"},
}
"""Where the demo's agencies are paid to: numbers that can be true, of nobody."""

KEY_NAME = "Demo"
KEPT_BY = "acme-support"
"""The workspace whose first key keeps the instant as of which the story is told."""
OPENING = 4
"""Months before the one in progress in which the packages went on sale."""

ALERTS_AT = ["80", "100"]
"""Percents of what a period entitles to."""


@dataclass
class Stage:
    """The cast in its places, and when the story is told."""

    now: dt.datetime
    """The instant as of which everything is told: that of the first telling."""
    agencies: list[Agency] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    """By slug; with client and agency."""
    plans: dict[str, PlanVersion] = field(default_factory=dict)
    """What each workspace is sold, by its slug."""
    keys: dict[str, str] = field(default_factory=dict)
    """Workspace slug -> key, where its text is known: made in this run, or fixed."""


def set_stage(*, now: dt.datetime) -> Stage:
    """Make the platform, both agencies, their people, packages, clients and workspaces.

    Idempotent; commits as it goes, so that an interrupted run is continued by the next.
    """
    stage = Stage(now=_told_at(now))
    seed_platform()
    _seed_rates(stage.now)
    for demo in AGENCIES:
        agency = seed_agency(demo)
        stage.agencies.append(agency)
        opening = month_start(agency.timezone, stage.now, months_back=OPENING)
        versions = {slug: sold_version(agency, slug, now=opening) for slug in PACKAGES[demo.slug]}
        for demo_client in demo.clients:
            client = _client(agency, demo_client)
            stage.clients.append(client)
            for demo_workspace in demo_client.workspaces:
                workspace = _workspace(client, demo_workspace)
                stage.workspaces[workspace.slug] = workspace
                stage.plans[workspace.slug] = versions[demo_workspace.plan]
                _key(workspace, stage)
    return stage


def sold_version(agency: Agency, slug: str, *, now: dt.datetime) -> PlanVersion:
    """The first version of one of the demo's packages: the one its subscriptions are on."""
    published = PlanVersion.objects.exclude(published_at=None)
    found = published.filter(plan__agency=agency, plan__slug=slug).order_by("number").first()
    document = PACKAGES[agency.slug][slug]
    return found or import_plan(agency=agency, document=document, slug=slug, now=now)


def _told_at(now: dt.datetime) -> dt.datetime:
    """When the demo's first key was made, or ``now``: what remains of an earlier telling."""
    keys = WorkspaceKey.objects.filter(workspace__slug=KEPT_BY, name=KEY_NAME)
    first = keys.order_by("created_at").first()
    return first.created_at if first else now


def _seed_rates(now: dt.datetime) -> None:
    for base, quote, by_month in RATES:
        for back, rate in enumerate(reversed(by_month)):
            # The first one is in force from the start of the day in every zone.
            months_back = back if back < len(by_month) - 1 else OPENING
            ExchangeRate.objects.get_or_create(
                base=base,
                quote=quote,
                effective_from=month_start("UTC", now, months_back=months_back),
                defaults={"rate": Decimal(rate)},
            )


@transaction.atomic
def seed_platform() -> Platform:
    """Make the platform and its operator; what is there already stays."""
    platform, _ = Platform.objects.get_or_create(defaults=PLATFORM)
    if not User.objects.filter(email=OPERATOR.email).exists():
        User.objects.create_superuser(OPERATOR.email, settings.DEMO_PASSWORD, name=OPERATOR.name)
    return platform


@transaction.atomic
def seed_agency(demo: DemoAgency) -> Agency:
    """Make an agency with its people, units, taxes and terms; what is there already stays."""
    agency = Agency.objects.filter(slug=demo.slug).first() or create_agency(
        slug=demo.slug, timezone=demo.timezone, **demo.address, **demo.fields
    )
    for person in demo.people:
        user = _person(person, is_staff=True)
        if not AgencyMember.objects.filter(agency=agency, user=user).exists():
            add_member(agency=agency, user=user, role=person.role)
    for unit in demo.units:
        _unit(agency, unit)
    for country, category, percent in demo.taxes:
        TaxRate.objects.get_or_create(
            agency=agency,
            country=country,
            effective_from=BEGINNING.date(),
            defaults={"category": category, "percent": Decimal(percent)},
        )
    AlertRule.objects.get_or_create(
        agency=agency,
        kind=AlertKind.PERCENT,
        client=None,
        workspace=None,
        unit=None,
        defaults={"levels": ALERTS_AT},
    )
    PayoutTerms.objects.get_or_create(agency=agency, defaults={"minimum_amount": Decimal(25)})
    BankAccount.objects.get_or_create(
        agency=agency,
        defaults={
            "holder": agency.printed_name[:70],
            "added_at": BEGINNING,
            "usable_from": BEGINNING,
            **BANKS.get(agency.country, BANKS["DE"]),
        },
    )
    PlatformFeeRule.objects.get_or_create(
        agency=agency,
        line_kind="",
        effective_from=BEGINNING,
        defaults={"percent": Decimal(demo.fee_percent)},
    )
    return agency


def _person(person: Person, *, is_staff: bool = False) -> User:
    return User.objects.filter(email=person.email).first() or User.objects.create_user(
        person.email, settings.DEMO_PASSWORD, name=person.name, is_staff=is_staff
    )


def _unit(agency: Agency, demo: DemoUnit) -> UsageUnit:
    return UsageUnit.objects.for_agency(agency).filter(slug=demo.slug).first() or create_unit(
        agency=agency,
        template=demo.template,
        slug=demo.slug,
        name=demo.name,
        plural=demo.plural,
        aggregation=Meter.Aggregation.COUNT,
        effective_from=BEGINNING,
    )


@transaction.atomic
def _client(agency: Agency, demo: DemoClient) -> Client:
    client = Client.objects.for_agency(agency).filter(slug=demo.slug).first() or create_client(
        agency=agency,
        slug=demo.slug,
        currency=demo.currency,
        timezone=demo.timezone,
        **demo.address,
    )
    for person in demo.people:
        user = _person(person)
        if not ClientMember.objects.filter(client=client, user=user).exists():
            add_client_member(client=client, user=user, role=person.role)
    return client


def _workspace(client: Client, demo: DemoWorkspace) -> Workspace:
    found = Workspace.objects.select_related("client", "agency").filter(slug=demo.slug).first()
    return found or create_workspace(
        client=client, slug=demo.slug, name=demo.name, cost_payer=demo.cost_payer
    )


def _key(workspace: Workspace, stage: Stage) -> None:
    """Give the workspace a key, the one from ``DEMO_API_KEY_<WORKSPACE>`` where it is set."""
    fixed = settings.DEMO_API_KEYS.get(workspace.slug)
    keys = WorkspaceKey.objects.filter(workspace=workspace)
    known = keys.filter(secret_hash=hash_of(fixed)) if fixed else keys.filter(name=KEY_NAME)
    if known.exists():
        if fixed:
            stage.keys[workspace.slug] = fixed
        return
    _, stage.keys[workspace.slug] = create_key(
        workspace=workspace,
        name=KEY_NAME,
        scopes=WorkspaceKey.Scope.values,
        now=stage.now,
        secret=fixed,
    )


def month_start(timezone: str, now: dt.datetime, *, months_back: int = 0) -> dt.datetime:
    """The first instant of the local month that contains ``now``, or of one before it."""
    today = local_date(now, timezone)
    years, month = divmod(today.year * 12 + today.month - 1 - months_back, 12)
    return local_day_start(dt.date(years, month + 1, 1), timezone)
