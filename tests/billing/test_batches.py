"""A batch is done whole; a bad piece is found by halving, and holds up no other."""

from __future__ import annotations

from collections.abc import Sequence

from billing.services.batches import in_batches


class Worker:
    """Doubles numbers, but not the bad ones; remembers which batches it was handed."""

    def __init__(self, *bad: int) -> None:
        self.bad = set(bad)
        self.handed: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.handed.append(list(batch))
        if found := self.bad.intersection(batch):
            raise ValueError(f"{min(found)} is bad")
        return [2 * number for number in batch]


def test_pieces_are_done_in_batches_and_in_order():
    work = Worker()

    tried = list(in_batches([1, 2, 3, 4, 5], work, size=2))

    assert work.handed == [[1, 2], [3, 4], [5]]
    assert [done for _, done, _ in tried] == [[2, 4], [6, 8], [10]]


def test_a_bad_piece_is_handed_back_with_its_error_and_all_others_are_done():
    work = Worker(3)

    tried = list(in_batches([1, 2, 3, 4, 5, 6, 7, 8], work, size=8))

    assert [(list(pieces), done) for pieces, done, _ in tried] == [
        ([1, 2], [2, 4]),
        ([3], []),
        ([4], [8]),
        ([5, 6, 7, 8], [10, 12, 14, 16]),
    ]
    assert [str(error) for _, _, error in tried if error] == ["3 is bad"]


def test_every_bad_piece_is_found():
    tried = list(in_batches(range(10), Worker(0, 4, 9), size=10))

    assert [pieces[0] for pieces, _, error in tried if error] == [0, 4, 9]
    assert sorted(n for pieces, _, _ in tried for n in pieces) == list(range(10))


def test_nothing_to_do_is_no_batch():
    work = Worker()

    assert list(in_batches([], work)) == []
    assert work.handed == []
