"""What the demo's cast is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clients.models import CostPayer


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class DemoUnit:
    slug: str
    name: str
    plural: str
    template: str


@dataclass(frozen=True, slots=True)
class DemoWorkspace:
    slug: str
    name: str
    plan: str
    """Slug of the demo plan it subscribes to."""
    cost_payer: str = CostPayer.PLATFORM


@dataclass(frozen=True, slots=True)
class DemoClient:
    slug: str
    currency: str
    timezone: str
    address: dict[str, str]
    people: tuple[Person, ...] = ()
    workspaces: tuple[DemoWorkspace, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoAgency:
    slug: str
    timezone: str
    address: dict[str, str]
    fields: dict[str, Any]
    fee_percent: str
    people: tuple[Person, ...]
    units: tuple[DemoUnit, ...]
    clients: tuple[DemoClient, ...]
    taxes: tuple[tuple[str, str, str], ...] = field(default=())
    """(country, category, percent) of what its clients buy."""
