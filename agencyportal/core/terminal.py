"""What commands share: instants as arguments, tables and progress bars in a terminal."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

GAP = "  "


def instant(text: str) -> dt.datetime:
    """An ISO 8601 instant or day, for argparse's ``type``; without an offset it is UTC."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an ISO 8601 instant such as 2026-03-02T05:00:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yields ``progress(done, total)``: a bar on a terminal, nothing in a log."""
    with tqdm(desc=name, disable=None, leave=False) as display:

        def progress(done: int, total: int) -> None:
            display.total = total
            display.update(done - display.n)

        yield progress


def text_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = "") -> str:
    """Rows under headers, each column as wide as it needs. ``right``: one character a column,
    ``>`` for those that are aligned to the right, as numbers are; left by default."""
    cells = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    cells.insert(1, ["─" * width for width in widths])
    alignment = right.ljust(len(headers), "<")
    return "\n".join(
        GAP.join(
            cell.rjust(width) if side == ">" else cell.ljust(width)
            for cell, width, side in zip(row, widths, alignment, strict=True)
        ).rstrip()
        for row in cells
    )
