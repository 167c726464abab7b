"""Who appears in the benches: one agency, and as many clients as a bench asks for."""

from __future__ import annotations

import datetime as dt
from typing import Final

from clients.models import Agency, Client, Meter, Platform, UsageUnit, Workspace

ZONE: Final = "America/New_York"
PRICED_MODEL: Final = "gpt-4o"


def agency() -> Agency:
    Platform.objects.create(name="Bench Platform", country="US", email="billing@platform.example")
    return Agency.objects.create(slug="bench", name="Bench", country="US", timezone=ZONE)


def unit(owner: Agency, slug: str = "conversation") -> UsageUnit:
    made = UsageUnit.objects.create(agency=owner, slug=slug, name=slug, plural=f"{slug}s")
    Meter.objects.create(
        unit=made,
        version=1,
        aggregation=Meter.Aggregation.COUNT,
        effective_from=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    )
    return made


def workspace(owner: Agency, number: int = 0) -> Workspace:
    """A workspace of a client of its own."""
    client = Client.objects.create(
        agency=owner,
        slug=f"client-{number}",
        name=f"Client {number}",
        country="US",
        email=f"billing@client-{number}.example",
        currency="USD",
        timezone=ZONE,
    )
    return Workspace.objects.create(
        agency=owner, client=client, slug=f"workspace-{number}", name=f"Workspace {number}"
    )
