"""`manage.py simulate`: what it prints, and how it refuses."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.billing.scenario_samples import example, scenario


@pytest.fixture
def simulate(tmp_path, capsys):
    """Run the command on a document (or on raw text) in a file; what it printed."""

    def run(document: object, *options: str) -> str:
        path = tmp_path / "scenario.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        call_command("simulate", str(path), *options)
        return capsys.readouterr().out

    return run


def test_json_of_one_scenario_is_one_result(simulate):
    assert json.loads(simulate(example(), "--json"))["total"] == "4077.00"


def test_json_of_a_list_is_a_list_in_that_order(simulate):
    results = json.loads(simulate([scenario(usage={"2026-01-05": "110"}), example()], "--json"))
    assert [result["total"] for result in results] == ["1.00", "4077.00"]
    assert json.loads(simulate([], "--json")) == []


def test_the_document_may_come_from_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(example())))
    call_command("simulate", "-", "--json")
    assert json.loads(capsys.readouterr().out)["total"] == "4077.00"


def test_people_get_a_table(simulate):
    table = simulate(scenario(usage={"2026-01-05": "1110"}, until="2026-02-01T00:00:00Z"))
    assert table == (
        "Pages (USD, month, UTC)\n"
        "\n"
        "2026-01-01 to 2026-02-01\n"
        "  unit  used  included  top-up  overage  expired  rolled over\n"
        "  page  1110       100       0     1010        0            0\n"
        "\n"
        "  line                    quantity   amount\n"
        "  overage  Overage: page      1010  $101.00\n"
        "  total                             $101.00\n"
        "\n"
        "Total $101.00\n"
    )


def test_the_table_says_what_the_agency_collects_and_when_a_day_starts_late(simulate):
    fee = {
        "name": "Care",
        "kind": "support",
        "amount": "5",
        "when": "period",
        "collected_by": "agency",
    }
    document = scenario(
        fees=[fee],
        plan={"timezone": "America/Sao_Paulo", "anchor": "2018-11-04"},
        start="2018-11-04T03:00:00Z",
        until="2018-11-05T00:00:00Z",
    )
    table = simulate(document)
    assert "2018-11-04 01:00 to 2018-12-04" in table
    assert "Care (collected by the agency)" in table
    assert table.endswith("Total $0.00\n")


def test_a_scenario_without_periods_says_so(simulate):
    assert "No period begins" in simulate(scenario(until="2026-01-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "scenario.json: not JSON: Expecting property name"),
        (scenario(plan={"currency": "usd"}), "scenario.json: plan.currency: an ISO 4217 code"),
        ([example(), {}], "scenario.json: [1].plan: missing"),
    ],
)
def test_a_wrong_document_exits_with_1_and_names_the_place(simulate, document, message):
    with pytest.raises(CommandError) as refusal:
        simulate(document, "--json")
    assert message in str(refusal.value)
    assert refusal.value.returncode == 1


def test_a_missing_file_exits_with_2(tmp_path):
    with pytest.raises(CommandError, match="cannot be read: No such file") as refusal:
        call_command("simulate", str(tmp_path / "missing.json"))
    assert refusal.value.returncode == 2


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "scenario.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="not UTF-8"):
        call_command("simulate", str(path))
