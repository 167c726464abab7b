"""Who may see which rows, and that no model forgets to say."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import checks
from django.db import models
from django.test.utils import isolate_apps

from agencyportal.core.checks import check_append_only, check_tenancy, leads_to_one, model_errors
from agencyportal.core.tenancy import (
    Access,
    ScopedQuerySet,
    access_of,
    platform_models,
    platform_row,
)
from clients.models import Agency, Client, UsageUnit, User, Workspace
from tests.samples.models import Price


@pytest.fixture
def everything(acme_support, birch_leads, cedar_support, conversation, harbor_conversation):
    """Two agencies, three clients, three workspaces, two units."""


def slugs(queryset: models.QuerySet) -> list[str]:
    return sorted(queryset.values_list("slug", flat=True))


def test_an_agencys_people_see_its_rows(everything, owner: User):
    assert slugs(Workspace.objects.for_user(owner)) == ["acme-support", "birch-leads"]
    assert slugs(Client.objects.for_user(owner)) == ["acme", "birch"]
    assert slugs(Agency.objects.for_user(owner)) == ["northwind"]
    assert slugs(UsageUnit.objects.for_user(owner)) == ["conversation"]


def test_a_clients_people_see_the_clients_rows_and_not_the_agencys(everything, client_admin: User):
    assert slugs(Workspace.objects.for_user(client_admin)) == ["acme-support"]
    assert slugs(Client.objects.for_user(client_admin)) == ["acme"]
    assert slugs(Agency.objects.for_user(client_admin)) == []
    assert slugs(UsageUnit.objects.for_user(client_admin)) == []


def test_outsiders_see_their_own(everything, outsider: User):
    assert slugs(Workspace.objects.for_user(outsider)) == ["cedar-support"]


def test_the_operator_sees_everything(everything, operator: User):
    assert Workspace.objects.for_user(operator).count() == 3


@pytest.mark.parametrize("nobody", [AnonymousUser(), None, object(), "owner@northwind.example"])
def test_nobody_sees_nothing(everything, nobody: object):
    assert access_of(nobody) == Access.nothing()
    assert not Workspace.objects.for_user(nobody).exists()


def test_somebody_switched_off_sees_nothing(everything, owner: User, operator: User):
    for user in (owner, operator):
        user.is_active = False
        assert not Workspace.objects.for_user(user).exists()


def test_somebody_of_an_agency_and_of_anothers_client_sees_both(everything, northwind, cedar):
    access = Access(agency_ids=frozenset([northwind.pk]), client_ids=frozenset([cedar.pk]))
    assert slugs(Workspace.objects.for_access(access)) == [
        "acme-support",
        "birch-leads",
        "cedar-support",
    ]


def test_rows_of_one_agency_or_client(everything, harbor: Agency, birch: Client):
    assert slugs(Workspace.objects.for_agency(harbor)) == ["cedar-support"]
    assert slugs(Workspace.objects.for_agency(harbor.pk)) == ["cedar-support"]
    assert slugs(Workspace.objects.for_client(birch)) == ["birch-leads"]


def test_scoping_narrows_what_was_chosen_before(everything, owner: User):
    assert slugs(Workspace.objects.filter(slug="cedar-support").for_user(owner)) == []


def test_rows_of_the_agency_alone_belong_to_no_client(acme: Client):
    with pytest.raises(TypeError, match="belong to an agency"):
        UsageUnit.objects.for_client(acme)


def test_an_unsaved_tenant_owns_nothing():
    with pytest.raises(ValueError, match="not saved"):
        Workspace.objects.for_agency(Agency(name="New"))


# --- The checks --------------------------------------------------------------------------------


def test_every_model_leads_to_an_agency_or_says_why_not():
    assert check_tenancy() == []
    assert check_append_only() == []
    registered = checks.registry.registry.get_checks()
    assert {check_tenancy, check_append_only} <= set(registered)


def test_platform_rows_are_known_with_their_reason():
    assert platform_models()["samples.Price"] == "for tests"


@isolate_apps("tests.samples")
def test_a_model_that_says_nothing_is_an_error():
    class Orphan(models.Model):  # noqa: DJ008
        class Meta:
            app_label = "samples"

    assert [error.id for error in model_errors(Orphan)] == ["core.E001"]
    platform_row("decided")(Orphan)
    try:
        assert list(model_errors(Orphan)) == []
    finally:
        from agencyportal.core import tenancy

        del tenancy._platform_models["samples.Orphan"]


@isolate_apps("tests.samples")
def test_a_path_that_leads_nowhere_is_an_error():
    class Lost(models.Model):  # noqa: DJ008
        price = models.ForeignKey(Price, on_delete=models.PROTECT)

        class LostQuerySet(ScopedQuerySet):
            agency_path = "price__agency"

        objects = LostQuerySet.as_manager()

        class Meta:
            app_label = "samples"

    assert [error.id for error in model_errors(Lost)] == ["core.E002"]


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("pk", True),
        ("client", True),
        ("client__agency", True),
        ("client__members", False),
        ("slug", False),
        ("client__nobody", False),
    ],
)
def test_paths_follow_foreign_keys_to_one_row(path: str, good: bool):
    assert leads_to_one(Workspace, path) is good
