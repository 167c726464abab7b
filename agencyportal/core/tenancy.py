"""Who may see which rows.

Every row leads to an agency, the tenant. A model says how, on its queryset, and whoever reads for
somebody starts from one of the scoping words:

    class WorkspaceQuerySet(ScopedQuerySet["Workspace"]):
        agency_path = "client__agency"
        client_path = "client"

    Workspace.objects.for_user(request.user)

The few models that belong to no agency say so with :func:`platform_row`. A system check
(``core.checks``) refuses models that are neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from django.db import models
from django.db.models import Q

from agencyportal.core.append_only import GuardedQuerySet

_M = TypeVar("_M", bound=models.Model, covariant=True)
_Class = TypeVar("_Class", bound=type[models.Model])

OWN_ROW = "pk"
"""The path of the tenant's own model: ``Agency`` is its agency, ``Client`` its client."""


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody may see: whole agencies, single clients, or (the operator) everything."""

    agency_ids: frozenset[int] = frozenset()
    client_ids: frozenset[int] = frozenset()
    everything: bool = False

    @classmethod
    def nothing(cls) -> Self:
        return cls()

    @classmethod
    def all(cls) -> Self:
        return cls(everything=True)


@runtime_checkable
class HasAccess(Protocol):
    """A user model that knows its memberships."""

    is_active: bool

    def access(self) -> Access: ...


def access_of(user: object) -> Access:
    """What ``user`` may see. Nothing for anonymous and inactive users, and for anything else."""
    if isinstance(user, HasAccess) and user.is_active:
        return user.access()
    return Access.nothing()


class ScopedQuerySet(GuardedQuerySet[_M]):
    """Rows that lead to an agency.

    Changing and deleting goes through the guard of ``core.append_only``.

    ``agency_path`` is the lookup from the model to its agency, over foreign keys that point one
    way. ``client_path`` is the lookup to the client, or None for rows that are the agency's alone,
    which members of a client never see. A nullable path hides its null rows from everybody but
    the operator.
    """

    agency_path: ClassVar[str]
    client_path: ClassVar[str | None] = None

    def for_agency(self, agency: models.Model | int) -> Self:
        """The rows of one agency."""
        return self.filter(**{self.agency_path: _key(agency)})

    def for_client(self, client: models.Model | int) -> Self:
        """The rows of one client. Raises TypeError where rows belong to the agency alone."""
        if self.client_path is None:
            raise TypeError(f"{self.model.__name__} rows belong to an agency, not to a client.")
        return self.filter(**{self.client_path: _key(client)})

    def for_access(self, access: Access) -> Self:
        """The rows that somebody with this access may see."""
        if access.everything:
            return self.all()
        visible = Q()
        if access.agency_ids:
            visible |= Q(**{f"{self.agency_path}__in": sorted(access.agency_ids)})
        if access.client_ids and self.client_path is not None:
            visible |= Q(**{f"{self.client_path}__in": sorted(access.client_ids)})
        return self.filter(visible) if visible else self.none()

    def for_user(self, user: object) -> Self:
        """The rows that ``user`` may see; none for anonymous users."""
        return self.for_access(access_of(user))


def agency_id_of(row: models.Model) -> int | None:
    """The agency that ``row`` leads to; None for a row of the platform. May follow foreign keys."""
    rows = type(row)._default_manager.all()
    if not isinstance(rows, ScopedQuerySet):
        return None
    if rows.agency_path == OWN_ROW:
        return int(row.pk)
    *before, last = rows.agency_path.split("__")
    found: Any = row
    for part in before:
        found = getattr(found, part)
        if found is None:
            return None
    agency_id: int | None = getattr(found, f"{last}_id")
    return agency_id


def _key(row: models.Model | int) -> Any:
    if isinstance(row, models.Model):
        if row.pk is None:
            raise ValueError(f"{row!r} is not saved, so nothing can belong to it.")
        return row.pk
    return row


_platform_models: dict[str, str] = {}

PLATFORM_APPS: dict[str, str] = {
    "account": "allauth's e-mail addresses of people; a person may serve several agencies",
    "admin": "the operator's own log of what was done in the admin",
    "auth": "groups and permissions are the platform's",
    "contenttypes": "names of models",
    "djstripe": "Stripe's account is the platform's; its mirror is read by the operator alone",
    "sessions": "opaque, read by their key alone",
}
"""Other people's apps whose rows lead to no agency, and why. Adding an app means deciding."""


def platform_row(reason: str) -> Callable[[_Class], _Class]:
    """Class decorator: rows of this model belong to the platform, and ``reason`` says why."""

    def register(model: _Class) -> _Class:
        _platform_models[model._meta.label] = reason
        return model

    return register


def platform_models() -> dict[str, str]:
    """Label -> reason of every model that was declared a platform row."""
    return dict(_platform_models)
