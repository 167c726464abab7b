"""Tables as files for spreadsheets: CSV line by line, XLSX through a temporary file.

No cell is ever a formula: a text that a spreadsheet would take for one has an apostrophe before it.
"""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Final

import xlsxwriter

Cell = str | Decimal | dt.date | None

BEGINS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_text(text: str) -> str:
    """The text as no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(BEGINS_A_FORMULA) else text


class _Line:
    """What csv writes is what was written last."""

    def write(self, line: str) -> str:
        return line


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The file's lines, the headings first. Numbers have a point, days are ISO 8601."""
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_written(cell) for cell in row])


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return safe_text(cell) if isinstance(cell, str) else cell.isoformat()


def xlsx_file(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> IO[bytes]:
    """A workbook of one sheet, which the caller closes. A row at a time is in memory."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is the caller's
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet(title)
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        formats: dict[int, object] = {}
        sheet.freeze_panes(1, 0)
        for place, heading in enumerate(columns):
            sheet.write_string(0, place, heading, bold)
        for line, row in enumerate(rows, start=1):
            for place, cell in enumerate(row):
                if isinstance(cell, Decimal):
                    digits = max(0, -int(cell.as_tuple().exponent))
                    if digits not in formats:
                        shown = "0." + "0" * digits if digits else "0"
                        formats[digits] = book.add_format({"num_format": shown})
                    sheet.write_number(line, place, float(cell), formats[digits])
                elif isinstance(cell, str):
                    sheet.write_string(line, place, safe_text(cell))
                elif cell is not None:
                    sheet.write_datetime(line, place, cell, day)
    file.seek(0)
    return file
