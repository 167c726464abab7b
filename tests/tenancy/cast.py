"""Who goes everywhere, and the two agencies they go to."""

from __future__ import annotations

from dataclasses import dataclass

from django.test import Client as Browser
from django.utils import timezone

from clients.models import ExchangeRate, Platform, User
from tests.tenancy.marks import mark, mark_of
from tests.tenancy.registry import (
    AGENCY,
    ANONYMOUS,
    CLIENT_ADMIN,
    CLIENT_VIEWER,
    FINANCE,
    MANAGER,
    OPERATOR,
    OWNER,
    VIEWER,
)
from tests.tenancy.worlds import Deployment, World, tell

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclass(frozen=True)
class Person:
    """A member of the cast: a role, and where they have it."""

    role: str
    agency: str = ""
    client: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.client or self.agency}".strip()


CAST = (
    Person(OPERATOR),
    Person(OWNER, "northwind"),
    Person(MANAGER, "northwind"),
    Person(FINANCE, "northwind"),
    Person(VIEWER, "northwind"),
    Person(OWNER, "harbor"),
    Person(CLIENT_ADMIN, "northwind", "acme"),
    Person(CLIENT_VIEWER, "northwind", "acme"),
    Person(CLIENT_ADMIN, "northwind", "birch"),
    Person(CLIENT_ADMIN, "harbor", "cedar"),
    Person(ANONYMOUS),
)
OFFICE = [person for person in CAST if person.role in AGENCY]


@dataclass
class Scene:
    """Both agencies, and whoever looks at them."""

    northwind: World
    harbor: World
    operator: User

    @property
    def worlds(self) -> dict[str, World]:
        return {"northwind": self.northwind, "harbor": self.harbor}

    @property
    def deployments(self) -> dict[str, Deployment]:
        return {**self.northwind.deployments, **self.harbor.deployments}

    def other(self, person: Person) -> World:
        """The agency that is not this person's."""
        return self.harbor if person.agency == "northwind" else self.northwind

    def user(self, person: Person) -> User:
        if person.role == OPERATOR:
            return self.operator
        if person.client:
            deployment = self.deployments[person.client]
            return deployment.admin if person.role == CLIENT_ADMIN else deployment.viewer
        return self.worlds[person.agency].people[person.role]

    def browser(self, person: Person) -> Browser:
        browser = Browser()
        if person.role != ANONYMOUS:
            browser.force_login(self.user(person), backend=BACKEND)
        return browser

    def foreign_marks(self, person: Person) -> list[str]:
        """What a page for this person must not hold."""
        if person.role == OPERATOR:
            return []
        names = {*self.worlds, *self.deployments}
        if person.client:
            names -= {person.agency, person.client}
        elif person.agency:
            names -= {person.agency, *self.worlds[person.agency].deployments}
        return [mark_of(name) for name in sorted(names)]


def set_scene() -> Scene:
    now = timezone.now()
    Platform.objects.create(name="Agency Portal", country="US")
    ExchangeRate.objects.create(base="USD", quote="EUR", rate="0.9", effective_from=now)
    northwind = tell(
        "northwind",
        roles=(OWNER, MANAGER, FINANCE, VIEWER),
        clients=("acme", "birch"),
        zone="America/New_York",
        now=now,
    )
    harbor = tell(
        "harbor", roles=(OWNER, VIEWER), clients=("cedar",), zone="Europe/Berlin", now=now
    )
    for world in (northwind, harbor):
        clients = {name: placed.client for name, placed in world.deployments.items()}
        mark(world.agency, clients)
    operator = User.objects.create_superuser("operator@example.com", "demo-portal", name="Olga")
    return Scene(northwind, harbor, operator)
