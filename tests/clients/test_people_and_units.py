"""Agencies, clients, workspaces, units and their meters come into being, checked."""

from __future__ import annotations

import datetime as dt
import importlib

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError

from clients.models import Agency, Client, Meter, UnitTemplate, UsageUnit, Workspace
from clients.services.people import (
    add_client_member,
    add_member,
    create_agency,
    create_client,
    create_workspace,
)
from clients.services.units import change_meter, create_unit
from tests.clients.recorder import event, march_window, record, windows

pytestmark = pytest.mark.django_db


class TestPeople:
    def test_an_agency_its_client_and_their_members(self, operator):
        agency = create_agency(slug="a", name="A", timezone="Europe/Berlin", country="DE")
        client = create_client(
            agency=agency, slug="c", name="C", currency="EUR", timezone="Europe/Berlin", city="Bonn"
        )
        add_member(agency=agency, user=operator, role="owner")
        add_client_member(client=client, user=operator, role="admin")
        workspace = create_workspace(client=client, slug="w", name="W", cost_payer="agency")

        assert Agency.objects.get(slug="a").timezone == "Europe/Berlin"
        assert Client.objects.get(slug="c").city == "Bonn"
        assert (workspace.agency, workspace.cost_payer) == (agency, "agency")
        assert workspace.settled_until is None

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"currency": "XXX"}, "currency"),
            ({"timezone": "Berlin"}, "timezone"),
            ({"country": "Germany"}, "country"),
            ({"slug": "not a slug"}, "slug"),
            ({"slug": "acme"}, "__all__"),
        ],
    )
    def test_a_client_that_makes_no_sense_is_refused(self, acme, fields, field):
        values = {"slug": "new", "name": "N", "currency": "USD", "timezone": "UTC"}
        with pytest.raises(ValidationError) as refused:
            create_client(agency=acme.agency, **(values | fields))
        assert list(refused.value.message_dict) == [field]
        assert Client.objects.count() == 1

    def test_a_workspace_slug_is_taken_across_agencies(self, acme_support, cedar):
        with pytest.raises(ValidationError, match="already exists"):
            create_workspace(client=cedar, slug="acme-support", name="Mine")
        assert Workspace.objects.count() == 1

    def test_a_role_that_does_not_exist_is_refused(self, northwind, operator):
        with pytest.raises(ValidationError, match="valid choice"):
            add_member(agency=northwind, user=operator, role="king")


class TestUnits:
    def test_from_the_catalogue_with_its_words(self, northwind, now):
        unit = create_unit(
            agency=northwind, slug="lead", template="qualified-lead", effective_from=now
        )

        assert (unit.name, unit.plural) == ("qualified lead", "qualified leads")
        meter = unit.meters.get()
        assert (meter.version, meter.aggregation, meter.effective_from) == (1, "unique", now)

    def test_renamed_and_counted_at_will(self, northwind, now):
        unit = create_unit(
            agency=northwind,
            slug="lead",
            template=UnitTemplate.objects.get(slug="qualified-lead"),
            name="prospect",
            plural="prospects",
            aggregation="sum",
            property_name="n",
            effective_from=now,
        )
        assert (unit.name, unit.meters.get().property_name) == ("prospect", "n")

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"template": "unheard-of"}, "template"),
            ({"aggregation": "average"}, "aggregation"),
            ({"aggregation": "sum"}, "property_name"),
            ({"filters": [{"field": "model"}]}, "filters"),
            ({"weights": [{"when": [], "multiply": "x"}]}, "weights"),
            ({"decimals": 7}, "decimals"),
            ({"name": ""}, "name"),
        ],
    )
    def test_one_that_makes_no_sense_is_refused_whole(self, northwind, now, fields, field):
        values = {"slug": "u", "name": "u", "plural": "us", "effective_from": now}
        with pytest.raises(ValidationError) as refused:
            create_unit(agency=northwind, **(values | fields))
        assert list(refused.value.message_dict) == [field]
        assert not UsageUnit.objects.exists()


class TestMeterVersions:
    def test_a_new_version_counts_from_its_date_and_never_moves_the_past(
        self, acme_support, conversation, now
    ):
        march_window(acme_support, conversation)
        record(acme_support, event("a", quantity=3, time=now))
        soon = now + dt.timedelta(hours=1)
        meter = change_meter(
            unit=conversation,
            effective_from=soon,
            now=now,
            aggregation="count",
            weights=[{"when": [], "multiply": "2"}],
        )
        record(
            acme_support,
            event("b", quantity=3, time=soon - dt.timedelta(microseconds=1)),
            event("c", quantity=3, time=soon),
            now=soon,
        )

        assert meter.version == 2
        assert windows(acme_support)["conversation", "03-01"] == (12, 3)
        assert dict(conversation.meters.values_list("version", "effective_from"))[2] == soon

    @pytest.mark.parametrize("ahead", [-1, 0, 15])
    def test_it_lies_past_what_may_be_counted_already(self, conversation, now, ahead):
        with pytest.raises(ValidationError, match="more than 15 minutes from now"):
            change_meter(
                unit=conversation,
                effective_from=now + dt.timedelta(minutes=ahead),
                now=now,
                aggregation="count",
            )
        assert Meter.objects.count() == 1

    def test_versions_follow_each_other_in_time(self, conversation, now):
        later = now + dt.timedelta(days=2)
        change_meter(unit=conversation, effective_from=later, now=now, aggregation="count")
        with pytest.raises(ValidationError, match="Version 2 starts"):
            change_meter(unit=conversation, effective_from=later, now=now, aggregation="unique")
        assert Meter.objects.count() == 2


class TestTheCatalogue:
    MIGRATION = importlib.import_module("clients.migrations.0002_unit_templates")

    def test_it_has_every_unit_of_every_automation_once(self):
        by_automation: dict[str, int] = {}
        for automation in UnitTemplate.objects.values_list("automation", flat=True):
            by_automation[automation] = by_automation.get(automation, 0) + 1

        assert by_automation == {
            "Support automation": 5,
            "Lead qualification": 3,
            "CRM and sales": 3,
            "Document workflow": 5,
            "Invoice and contract processing": 4,
            "CMS and website": 4,
            "E-commerce": 4,
            "Internal AI portal": 6,
            "White-label deployment": 3,
        }

    def test_every_entry_makes_a_unit(self, northwind, now):
        for template in UnitTemplate.objects.all():
            create_unit(agency=northwind, slug=template.slug, template=template, effective_from=now)
        assert UsageUnit.objects.count() == 37

    def test_taking_it_back_leaves_units_and_agencies_own_entries(self, northwind, now):
        own = UnitTemplate.objects.create(slug="own", name="o", plural="o", aggregation="count")
        unit = create_unit(agency=northwind, slug="page", template="page", effective_from=now)
        self.MIGRATION.remove_templates(apps, None)

        assert list(UnitTemplate.objects.all()) == [own]
        unit.refresh_from_db()
        assert unit.template is None
        self.MIGRATION.add_templates(apps, None)
        assert UnitTemplate.objects.count() == 38
