"""Work done in batches, of which a bad piece holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")

_logger = logging.getLogger(__name__)

BATCH: Final = 100
"""Pieces of work in one transaction: enough that its fixed cost hardly counts, and few enough that
others do not wait long for its locks (billing/README.md, "How fast")."""


class Tried(NamedTuple, Generic[_T, _R]):
    """A batch, and what came of it: the results, or the error."""

    pieces: Sequence[_T]
    done: list[_R]
    error: Exception | None


def in_batches(
    pieces: Sequence[_T], work: Callable[[Sequence[_T]], list[_R]], *, size: int | None = None
) -> Iterator[Tried[_T, _R]]:
    """Hand ``pieces`` in batches of ``size``, by default `BATCH`, to ``work``, which does a batch
    whole or not at all.

    One that fails is done again in halves, down to the piece that fails alone: that one is
    returned with its error, and all others are done. In order.
    """
    size = size or BATCH
    for first in range(0, len(pieces), size):
        batch = pieces[first : first + size]
        tried = _try(batch, work)
        if tried.error is None or len(batch) == 1:
            yield tried
        else:
            _logger.warning("a batch of %d failed and is halved: %s", len(batch), tried.error)
            yield from in_batches(batch, work, size=-(-len(batch) // 2))


def _try(batch: Sequence[_T], work: Callable[[Sequence[_T]], list[_R]]) -> Tried[_T, _R]:
    try:
        return Tried(batch, work(batch), None)
    except Exception as error:  # noqa: BLE001  handed on, with what it is about
        return Tried(batch, [], error)
