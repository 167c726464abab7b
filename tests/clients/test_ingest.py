"""`manage.py ingest`: checked whole, then stored in parts."""

from __future__ import annotations

import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from clients.event_files import HeaderError, kind_of, read_lines
from clients.management.commands import ingest
from clients.models import UsageEvent
from clients.services.recording import record_events

pytestmark = pytest.mark.django_db


class Ingested:
    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    def run(self, file: Path | str, *options: str) -> Ingested:
        call_command(
            "ingest",
            str(file),
            "--workspace=acme-support",
            *options,
            stdout=self.out,
            stderr=self.err,
        )
        return self

    @property
    def summary(self) -> str:
        return self.out.getvalue().strip()

    @property
    def problems(self) -> list[str]:
        return self.err.getvalue().splitlines()


@pytest.fixture
def run(acme_support, conversation) -> Ingested:
    return Ingested()


def jsonl(path: Path, *events: Any) -> Path:
    lines = [item if isinstance(item, str) else json.dumps(item) for item in events]
    path.write_text("\n".join(lines) + "\n")
    return path


def line(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "unit": "conversation", "time": "2026-03-10T12:00:00Z"} | fields


def stored() -> list[str]:
    return sorted(UsageEvent.objects.values_list("external_id", flat=True))


class TestStoring:
    def test_a_file_and_the_same_again(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(ingest, "CHUNK", 2)
        file = jsonl(tmp_path / "usage.jsonl", *(line(str(n)) for n in range(5)), "", line("4"))

        assert run.run(file).summary == (
            "acme-support: 5 events accepted, 1 duplicate, 0 conflicts, 0 bad lines skipped."
        )
        again = Ingested().run(file)
        assert again.summary == (
            "acme-support: 0 events accepted, 6 duplicates, 0 conflicts, 0 bad lines skipped."
        )
        assert stored() == ["0", "1", "2", "3", "4"]

    def test_conflicts_are_named_and_the_first_stands(self, run, tmp_path):
        file = jsonl(tmp_path / "u.jsonl", line("a"), line("b"), line("a", quantity="2"))

        assert run.run(file).summary.splitlines() == [
            "acme-support: 2 events accepted, 1 duplicate, 1 conflict, 0 bad lines skipped.",
            "Stored before with another body, which stands: a.",
        ]
        assert set(UsageEvent.objects.values_list("quantity", flat=True)) == {Decimal(1)}

    def test_standard_input(self, run, monkeypatch):
        text = json.dumps(line("a")).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        run.run("-")
        assert stored() == ["a"]

    def test_csv_has_the_events_fields_as_columns(self, run, tmp_path):
        file = tmp_path / "usage.csv"
        file.write_text(
            "\ufeffid,unit,quantity,time,label,model,input_tokens,usage.output_tokens,"
            "properties.pages,properties.note\n"
            'a,conversation,2.5,2026-03-10T12:00:00Z,"chat, first",gpt-4o,1000000,0,12,"two\n'
            'lines"\n'
            "\n"
            "b,conversation,,2026-03-10T12:00:00+02:00,,,,,,\n"
        )
        run.run(file)

        first, second = UsageEvent.objects.order_by("external_id")
        assert (first.quantity, first.label, first.cost) == (
            Decimal("2.5"),
            "chat, first",
            Decimal("2.5"),
        )
        assert first.properties == {"pages": "12", "note": "two\nlines"}
        assert (second.quantity, second.properties, second.input_tokens) == (Decimal(1), {}, None)
        assert second.occurred_at.hour == 10

    def test_a_row_of_a_csv_is_the_same_event_as_its_json(self, run, tmp_path):
        file = tmp_path / "usage.csv"
        file.write_text(
            "id,unit,quantity,time,input_tokens\na,conversation,2,2026-03-10T12:00:00Z,5\n"
        )
        run.run(file)
        again = jsonl(tmp_path / "u.jsonl", line("a", quantity="2.0", usage={"input_tokens": 5}))

        assert "1 duplicate, 0 conflicts" in Ingested().run(again).summary


class TestBadLines:
    def bad_file(self, tmp_path: Path) -> Path:
        return jsonl(
            tmp_path / "usage.jsonl",
            line("a"),
            "{nonsense",
            line("b"),
            line("c", unit="unheard-of", quantity="-1"),
            line("d", unit="unheard-of"),
            "",
            line("e", label="x" * 256, subject="y" * 256),
        )

    def test_nothing_of_the_file_is_stored_and_every_bad_line_is_named(
        self, run, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(ingest, "CHUNK", 2)
        with pytest.raises(CommandError) as failed:
            run.run(self.bad_file(tmp_path))

        assert str(failed.value) == (
            "4 bad lines of 6; nothing was stored. "
            "Correct the file, or store the good lines with --skip-bad."
        )
        assert failed.value.returncode == 1
        unreadable, *refused = run.problems
        assert unreadable.startswith("line 2: Not readable as JSON: ")
        assert refused == [
            "line 4: quantity: Must not be negative.",
            "line 5: unit: This agency has no unit “unheard-of”.",
            "line 7: subject: At most 255 characters; these are 256.",
            "line 7: label: At most 255 characters; these are 256.",
        ]
        assert stored() == []

    def test_with_skip_bad_the_good_ones_are_stored(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(ingest, "CHUNK", 2)
        run.run(self.bad_file(tmp_path), "--skip-bad")

        assert run.summary == (
            "acme-support: 2 events accepted, 0 duplicates, 0 conflicts, 4 bad lines skipped."
        )
        assert stored() == ["a", "b"]

    def test_of_many_the_first_are_shown_and_all_are_counted(self, run, tmp_path):
        file = jsonl(tmp_path / "u.jsonl", *(["{"] * 50))
        with pytest.raises(CommandError, match="50 bad lines of 50"):
            run.run(file)
        assert len(run.problems) == 21
        assert run.problems[-1] == "Further bad lines are only counted."

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ("a,conversation", "line 2: 2 cells for 4 columns."),
            ("a,conversation,x,", "line 2: quantity: Not a number."),
            ("a,conversation,1_000,", "line 2: quantity: Not a number."),
            ("a,conversation, 1,", "line 2: quantity: Not a number."),
            ("a,conversation,\u0661,", "line 2: quantity: Not a number."),
            ("a,conversation,1,x", "line 2: usage.input_tokens: Expected int, got str."),
            ("a,conversation,1,1.5", "line 2: usage.input_tokens: Expected int, got str."),
            (",conversation,1,1", "line 2: id: Required."),
            ('"a,conversation,1,1', "line 2: Not readable as CSV: unexpected end of data."),
            ("a\udcff,conversation,1,1", "line 2: id: Contains characters that cannot be stored"),
        ],
    )
    def test_rows_that_cannot_be_read_are_refused(self, run, tmp_path, row, problem):
        file = tmp_path / "usage.csv"
        text = "id,unit,quantity,input_tokens\n" + row + "\n"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(CommandError, match="nothing was stored"):
            run.run(file)
        assert run.problems[0].startswith(problem)
        assert stored() == []

    @pytest.mark.parametrize("time", ["1773144000", "2026-03-10T12:00:00", "now"])
    def test_times_in_a_csv_are_as_in_json(self, run, tmp_path, time):
        file = tmp_path / "usage.csv"
        file.write_text(f"id,unit,time\na,conversation,{time}\n")
        with pytest.raises(CommandError):
            run.run(file)
        assert run.problems[0].startswith("line 2: time: ")

    @pytest.mark.parametrize(
        ("header", "problem"),
        [
            ("unit,quantity", "“id” is not among them"),
            ('"id,unit', "Not readable as CSV: unexpected end of data."),
            ("id,unit\ra,conversation", "Not readable as CSV: new-line character"),
            ("id,unit,quantitiy", "Unknown column 'quantitiy'"),
            ("id,unit,properties", "Unknown column 'properties'"),
            ("id,unit,usage.nonsense", "Unknown column"),
            ("id,unit,input_tokens,usage.input_tokens", "comes twice"),
            ("", "“id” is not among them"),
        ],
    )
    def test_columns_that_are_no_fields_refuse_the_file(self, run, tmp_path, header, problem):
        file = tmp_path / "usage.csv"
        file.write_text(header + "\n" + "a,conversation,1\n")
        with pytest.raises(CommandError) as failed:
            run.run(file, "--skip-bad")
        assert str(failed.value).startswith("line 1: ")
        assert problem in str(failed.value)

    def test_what_is_refused_only_while_storing_says_what_is_stored(
        self, run, tmp_path, monkeypatch, acme_support
    ):
        monkeypatch.setattr(ingest, "CHUNK", 1)
        file = jsonl(tmp_path / "u.jsonl", line("a"), line("b"))

        def renamed_meanwhile(**arguments: Any) -> Any:
            recorded = record_events(**arguments)
            acme_support.agency.units.update(slug="renamed")
            return recorded

        monkeypatch.setattr(ingest, "record_events", renamed_meanwhile)
        with pytest.raises(CommandError, match=r"line 2: unit: .* 1 event before it stored"):
            run.run(file)
        assert stored() == ["a"]


class TestNothingToDo:
    def test_an_unknown_workspace(self, tmp_path):
        with pytest.raises(CommandError, match="no workspace “acme-support”"):
            Ingested().run(jsonl(tmp_path / "u.jsonl", line("a")))

    def test_a_missing_file(self, run, tmp_path):
        with pytest.raises(CommandError, match="No such file"):
            run.run(tmp_path / "nothing.jsonl")

    def test_an_empty_file(self, run, tmp_path):
        assert "0 events accepted" in run.run(jsonl(tmp_path / "u.jsonl")).summary


@pytest.mark.parametrize(
    ("name", "beginning", "kind"),
    [
        ("a.jsonl", b"", "jsonl"),
        ("a.NDJSON", b"", "jsonl"),
        ("a.csv", b"{", "csv"),
        ("-", b' \n{"id"', "jsonl"),
        ("-", b"\xef\xbb\xbf{", "jsonl"),
        ("-", b"id,unit", "csv"),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_name_or_beginning(name, beginning, kind):
    assert kind_of(name, beginning) == kind


def test_a_csv_without_a_line_has_no_header():
    with pytest.raises(HeaderError):
        list(read_lines([], "csv"))


def test_events_of_a_file_default_to_the_time_of_the_run(run, tmp_path):
    file = jsonl(tmp_path / "u.jsonl", {"id": "a", "unit": "conversation"})
    before = timezone.now()
    run.run(file)
    assert before <= UsageEvent.objects.get().occurred_at <= timezone.now()
