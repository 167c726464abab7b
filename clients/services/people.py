"""Agencies, clients, their members and their workspaces come into being here."""

from __future__ import annotations

import itertools
from typing import Any

from django.db import transaction

from clients.models import (
    Agency,
    AgencyMember,
    Client,
    ClientMember,
    CostPayer,
    User,
    Workspace,
)


def create_agency(*, slug: str, name: str, **details: Any) -> Agency:
    """Add a tenant. ``details`` are further fields of Agency: address, timezone, brand_color...

    Raises ValidationError, by field, for values that the model refuses and for a slug in use.
    """
    agency = Agency(slug=slug, name=name, **details)
    agency.full_clean()
    agency.save(force_insert=True)
    return agency


def add_member(*, agency: Agency, user: User, role: str) -> AgencyMember:
    """Give a person a part in an agency (an AgencyMember.Role). Raises ValidationError."""
    member = AgencyMember(agency=agency, user=user, role=role)
    member.full_clean()
    member.save(force_insert=True)
    return member


@transaction.atomic
def invite_member(*, agency: Agency, email: str, name: str, role: str) -> AgencyMember:
    """Give the person with this address a part in an agency, known here or not.

    Somebody new signs in after choosing a password with "Forgot password?"; billing's
    `services.invitations` tells them. A member already: as they are, whatever ``role`` says.
    Raises ValidationError, by field.
    """
    user = _person(email, name)
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    known = AgencyMember.objects.filter(agency=agency, user=user).first()
    return known or add_member(agency=agency, user=user, role=role)


@transaction.atomic
def invite_client_member(*, client: Client, email: str, name: str, role: str) -> ClientMember:
    """Give the person with this address a part at a client; see `invite_member`."""
    user = _person(email, name)
    known = ClientMember.objects.filter(client=client, user=user).first()
    return known or add_client_member(client=client, user=user, role=role)


def _person(email: str, name: str) -> User:
    """Who has this address; made without a password when nobody does."""
    folded = email.strip().lower()
    known = User.objects.filter(email=folded).first()
    if known is not None:
        return known
    user = User(email=folded, name=name.strip())
    user.set_unusable_password()
    user.full_clean()
    user.save(force_insert=True)
    return user


def create_client(
    *, agency: Agency, slug: str, name: str, currency: str, timezone: str, **details: Any
) -> Client:
    """Add a customer of an agency.

    Its currency (ISO 4217) is that of its invoices, its time zone (IANA) bounds its periods and
    days. ``details`` are further fields of Client. Raises ValidationError, by field.
    """
    client = Client(
        agency=agency, slug=slug, name=name, currency=currency, timezone=timezone, **details
    )
    client.full_clean()
    client.save(force_insert=True)
    return client


def add_client_member(*, client: Client, user: User, role: str) -> ClientMember:
    """Give a person a part at a client (a ClientMember.Role). Raises ValidationError."""
    member = ClientMember(client=client, user=user, role=role)
    member.full_clean()
    member.save(force_insert=True)
    return member


def create_workspace(
    *, client: Client, slug: str, name: str, cost_payer: str = CostPayer.PLATFORM
) -> Workspace:
    """Add a deployment of a client; it belongs to the client's agency.

    ``cost_payer`` says who pays the models' providers for it. Slugs are unique across agencies,
    because commands and keys name a workspace by its slug alone. Raises ValidationError.
    """
    workspace = Workspace(
        agency_id=client.agency_id, client=client, slug=slug, name=name, cost_payer=cost_payer
    )
    workspace.full_clean()
    workspace.save(force_insert=True)
    return workspace


def is_taken(slug: str) -> bool:
    """Whether some agency, whichever, has a workspace of this name."""
    return Workspace.objects.filter(slug=slug).exists()


def free_slug(wanted: str) -> str:
    """A workspace's name like ``wanted`` that nobody has: `acme-support-2`. Says of the taken ones
    only that they are."""
    length: int = Workspace._meta.get_field("slug").max_length or 0
    for number in itertools.count(2):
        ending = f"-{number}"
        tried = wanted[: length - len(ending)] + ending
        if not is_taken(tried):
            return tried
    raise AssertionError("there are more numbers than workspaces")
