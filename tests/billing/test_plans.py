"""Plans are imported and exported as documents, and what was sold never changes."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.models import Plan, PlanVersion
from billing.plan_documents import parse_plan
from billing.services.plans import export_plan, import_plan, plan_document
from billing.strict_json import DocumentError

from .plan_samples import allowance, band, bill, starter

EVERYTHING: dict[str, Any] = {
    "name": "Everything",
    "currency": "USD",
    "timezone": "Europe/Berlin",
    "interval": "quarter",
    "anchor": "2026-01-31",
    "minimum_commitment": "100.5",
    "fees": [
        {
            "name": "Care",
            "kind": "support",
            "amount": "0.1234",
            "when": "period",
            "prorate": False,
            "collected_by": "agency",
        }
    ],
    "allowances": [
        allowance(
            "conversation",
            "10.5",
            rollover_max="3",
            prorate=False,
            overage={
                "policy": "top_up",
                "top_up": "Pack",
                "at": "5",
                "then": "bill",
                "max_count": 2,
                "max_amount": "100",
                "pricing": {
                    "model": "graduated",
                    "tiers": [
                        {"up_to": "100", "unit_amount": "0.1", "flat_amount": "1"},
                        {"up_to": None, "unit_amount": "0.000000001", "flat_amount": "0"},
                    ],
                },
                "cap_amount": "500",
            },
        ),
        allowance("page", "0", overage=bill({"model": "cost_plus", "margin_percent": "25"})),
    ],
    "top_ups": [
        band("Pack", expires="P90D", buyer="agency"),
        band("Forever", unit="page", expires="never"),
    ],
}


def test_an_exported_plan_is_the_document_that_was_imported(northwind, conversation, page, now):
    version = import_plan(agency=northwind, document={"plan": EVERYTHING}, now=now)

    assert export_plan(version) == {"plan": EVERYTHING}
    assert plan_document(version) == parse_plan(EVERYTHING)


def test_defaults_are_written_out(northwind, conversation, now):
    short = {"name": "Short", "currency": "USD", "interval": "year"}

    version = import_plan(agency=northwind, document=short, now=now)

    assert export_plan(version)["plan"] == {
        **short,
        "fees": [],
        "allowances": [],
        "top_ups": [],
    }
    assert version.anchor == PlanVersion.Anchor.START
    assert (version.number, version.published_at, version.plan.slug) == (1, now, "short")


def test_the_same_document_again_is_the_same_version(northwind, conversation, now):
    first = import_plan(agency=northwind, document=starter(), now=now)
    written_differently = starter(minimum_commitment=None)
    written_differently["fees"][1]["amount"] = "499.00"
    del written_differently["allowances"][0]["prorate"]

    assert import_plan(agency=northwind, document=written_differently, now=now) == first
    assert PlanVersion.objects.count() == 1


def test_a_changed_document_is_the_next_version_and_the_first_one_stands(
    northwind, conversation, now
):
    first = import_plan(agency=northwind, document=starter(), now=now)
    dearer = starter(allowances=[allowance(included="2000")])

    second = import_plan(agency=northwind, document=dearer, now=now)
    back = import_plan(agency=northwind, document=starter(), now=now)

    assert [version.number for version in (first, second, back)] == [1, 2, 3]
    assert plan_document(first).allowances[0].included == Decimal(1000)
    assert plan_document(second).allowances[0].included == Decimal(2000)


def test_a_new_name_renames_the_plan_and_makes_no_version(northwind, conversation, now):
    first = import_plan(agency=northwind, document=starter(), slug="support", now=now)

    again = import_plan(agency=northwind, document=starter(name="Care"), slug="support", now=now)

    assert again == first
    assert Plan.objects.get().name == "Care"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            starter(allowances=[allowance("lead")]),
            r"plan\.allowances\[0\]\.unit: Northwind has no unit 'lead'; it has conversation",
        ),
        (
            starter(top_ups=[band(), band("More", unit="lead")]),
            r"plan\.top_ups\[1\]\.unit: Northwind has no unit 'lead'",
        ),
        (starter(name="***"), r"plan\.name: '\*\*\*' makes no slug"),
        (
            starter(top_ups=[band("B" * 201)]),
            r"plan\.top_ups\[0\]\.name: a name has at most 200 characters",
        ),
        (starter(fees=[{"name": "X"}]), r"plan\.fees\[0\]\.kind: missing"),
    ],
)
def test_what_cannot_be_sold_is_refused_with_its_place(
    northwind, conversation, harbor_conversation, now, plan, message
):
    with pytest.raises(DocumentError, match=message):
        import_plan(agency=northwind, document=plan, now=now)

    assert not Plan.objects.exists()


def test_a_plan_keeps_its_currency(northwind, conversation, now):
    import_plan(agency=northwind, document=starter(), now=now)

    with pytest.raises(DocumentError, match=r"plan\.currency: support-starter is sold in USD"):
        import_plan(agency=northwind, document=starter(currency="EUR"), now=now)


def test_units_of_another_agency_are_not_found(harbor, conversation, now):
    with pytest.raises(DocumentError, match="it has none yet"):
        import_plan(agency=harbor, document=starter(), now=now)


def test_commands_import_and_export(northwind, conversation, tmp_path, now):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"plan": starter(), "start": "2026-01-01T05:00:00Z"}))

    def run(*args: str) -> str:
        out = StringIO()
        call_command(*args, stdout=out)
        return out.getvalue()

    assert run("import_plan", str(file), "--agency", "northwind") == (
        "northwind/support-starter@1 imported\n"
    )
    assert run("import_plan", str(file), "--agency", "northwind") == (
        "northwind/support-starter@1 is there already, unchanged\n"
    )
    for address in ("northwind/support-starter", "northwind/support-starter@1"):
        assert json.loads(run("export_plan", address)) == {"plan": starter()}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("import_plan", "{file}", "--agency", "nobody"), "There is no agency 'nobody'"),
        (("import_plan", "{file}.not", "--agency", "northwind"), "cannot be read"),
        (("import_plan", "{file}", "--agency", "northwind"), r"plan\.name: missing"),
        (("export_plan", "northwind"), "AGENCY/PLAN or AGENCY/PLAN@VERSION is needed"),
        (("export_plan", "northwind/none@3"), "There is no plan northwind/none@3"),
    ],
)
def test_commands_say_what_is_wrong(northwind, tmp_path, args, message):
    file = tmp_path / "plan.json"
    file.write_text('{"plan": {"currency": "USD", "interval": "month"}}')

    with pytest.raises(CommandError, match=message):
        call_command(*(arg.format(file=file) for arg in args))
