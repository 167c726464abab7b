"""What money brings: its split over an invoice's lines, and the platform's fee (ENGINE 12).

Pure. Revenue is net of tax and posts as money comes in: a part payment brings every line its share
of what is still open, and the last one brings exactly what is left. Money that goes back takes
every line's share of what it has brought; a credit note takes its lines back and sets every line to
its share of what is still paid. Amounts are in the invoice's currency and no finer than its digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from agencyportal.core.money import (
    exact_arithmetic,
    minor_digits,
    round_money,
    scaled,
    unscaled,
)

ANY_KIND: Final = ""
"""The line kind of a fee rule that holds for every kind without a rule of its own."""


@dataclass(frozen=True, slots=True)
class FeeRule:
    """``percent`` of paid revenue from a date until the next rule of the same kind; 5 is 5 %."""

    line_kind: str
    percent: Decimal
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of what is paid or credited of an invoice.

    ``paid``: money that came (positive) or went; what is disputed counts as gone. ``credited``:
    what a credit note took off the total, tax included, and ``nets`` what it took off each line.
    ``restores``: the number of the earlier movement whose money comes back with this one.
    """

    paid: Decimal
    credited: Decimal = Decimal(0)
    nets: tuple[Decimal, ...] = ()
    restores: int | None = None


def split_payments(
    nets: Sequence[Decimal], total: Decimal, payments: Iterable[Decimal], currency: str
) -> list[list[Decimal]]:
    """`split_movements` of payments alone. Raises ValueError for one that is not positive."""
    amounts = list(payments)
    if any(amount <= 0 for amount in amounts):
        raise ValueError(
            f"a payment of {min(amounts)} {currency} does not fit what is outstanding: "
            "it is not positive"
        )
    return split_movements(nets, total, [Movement(amount) for amount in amounts], currency)


def split_movements(
    nets: Sequence[Decimal], total: Decimal, movements: Iterable[Movement], currency: str
) -> list[list[Decimal]]:
    """What each movement of an invoice brings each line, in the order they were recorded.

    ``nets``: the lines that make up an invoice, without tax; credits are negative. ``total``: what
    the invoice asks for, tax included.

    - Money that comes brings ``what is not yet earned x payment / what was outstanding`` of every
      line, rounded so that the payment's revenue is itself rounded once (the units left over go to
      the largest fractions, the earlier line winning a tie).
    - Money that goes takes ``what is earned x amount / what was paid`` of every line, likewise.
      Coming back after a dispute, it brings exactly what had gone, where that still fits.
    - A credit note sets every line to ``what is left of it x what is paid / what is left of the
      total``.

    A line never earns more than its net, or the other way round for a credit; an invoice that is
    settled has brought exactly what credit notes left of its lines, one of which nothing is paid
    has brought nothing. Raises ValueError for an amount that does not fit what is outstanding,
    paid or charged, or is finer than the currency.
    """
    digits = minor_digits(currency)
    account = _Account([scaled(net, digits) for net in nets], scaled(total, digits))
    brought: list[list[int]] = []
    for movement in movements:
        amount = scaled(movement.paid, digits)
        back = None if movement.restores is None else brought[movement.restores]
        try:
            if movement.credited:
                taken = [scaled(net, digits) for net in movement.nets]
                parts = account.credit(taken, scaled(movement.credited, digits), -amount)
            elif amount < 0:
                parts = account.give_back(-amount)
            else:
                parts = account.receive(amount, back)
        except _DoesNotFitError as error:
            of = unscaled(error.of, digits)
            raise ValueError(
                f"a payment of {movement.paid} {currency} does not fit what is outstanding, "
                f"{of} {currency}"
            ) from None
        brought.append(parts)
    return [[unscaled(part, digits) for part in parts] for parts in brought]


class _DoesNotFitError(Exception):
    def __init__(self, of: int) -> None:
        super().__init__(of)
        self.of = of


class _Account:
    """An invoice in whole minor units: what is charged, what is earned of it, and what is paid."""

    def __init__(self, nets: list[int], total: int) -> None:
        self.nets = nets
        self.earned = [0] * len(nets)
        self.outstanding = total
        self.paid = 0

    def receive(self, amount: int, back: Sequence[int] | None = None) -> list[int]:
        if not 0 < amount <= self.outstanding:
            raise _DoesNotFitError(self.outstanding)
        left = [net - earned for net, earned in zip(self.nets, self.earned, strict=True)]
        parts = _share(left, amount, self.outstanding)
        if back is not None and amount != self.outstanding:
            undone = [-part for part in back]
            if all(_within(part, of) for part, of in zip(undone, left, strict=True)):
                parts = undone
        self.outstanding -= amount
        self.paid += amount
        return self._bring(parts)

    def give_back(self, amount: int) -> list[int]:
        if not 0 < amount <= self.paid:
            raise _DoesNotFitError(self.paid)
        parts = [-part for part in _share(self.earned, amount, self.paid)]
        self.outstanding += amount
        self.paid -= amount
        return self._bring(parts)

    def credit(self, nets: Sequence[int], gross: int, given_back: int) -> list[int]:
        if not 0 <= given_back <= self.paid or gross - given_back > self.outstanding:
            raise _DoesNotFitError(self.paid)
        self.nets = [net - taken for net, taken in zip(self.nets, nets, strict=True)]
        self.outstanding -= gross - given_back
        self.paid -= given_back
        charged = self.outstanding + self.paid
        target = _share(self.nets, self.paid, charged) if charged else [0] * len(self.nets)
        return self._bring([to - has for to, has in zip(target, self.earned, strict=True)])

    def _bring(self, parts: list[int]) -> list[int]:
        self.earned = [has + part for has, part in zip(self.earned, parts, strict=True)]
        return parts


def _within(part: int, whole: int) -> bool:
    return 0 <= part <= whole or whole <= part <= 0


def _share(left: Sequence[int], paid: int, outstanding: int) -> list[int]:
    """``paid / outstanding`` of each number, whole, and summing to that part of their sum."""
    floors = [units * paid // outstanding for units in left]
    fractions = [units * paid % outstanding for units in left]
    doubled = 2 * sum(left) * paid
    # Halves away from zero, as everywhere; whole numbers throughout, so nothing is lost.
    rounded = (abs(doubled) + outstanding) // (2 * outstanding)
    target = rounded if doubled >= 0 else -rounded
    by_fraction = sorted(range(len(left)), key=lambda index: (-fractions[index], index))
    for index in by_fraction[: target - sum(floors)]:
        floors[index] += 1
    return floors


def fee_percent(rules: Iterable[FeeRule], line_kind: str, received_at: datetime) -> Decimal:
    """The platform's share of a line of some kind that was paid at an instant; 0 without a rule.

    The rule of the line's own kind wins over one for any kind, however old it is; among rules of
    one kind the latest that had taken effect.
    """
    in_force = [
        rule
        for rule in rules
        if rule.line_kind in (line_kind, ANY_KIND) and rule.effective_from <= received_at
    ]
    if not in_force:
        return Decimal(0)
    return max(in_force, key=lambda rule: (rule.line_kind != ANY_KIND, rule.effective_from)).percent


def platform_fees(
    brought: Iterable[tuple[Decimal, Decimal]],
    currency: str,
    restores: Sequence[int | None] = (),
) -> Iterator[Decimal]:
    """The platform's share of what each movement brings one line; negative when it is given back.

    ``brought``: revenue and percentage of each movement, in the order they were recorded. The fee
    of all so far is rounded, and a movement takes what that adds: so a line that is paid cent by
    cent costs the agency what it costs when it is paid at once. Revenue that goes back gives back
    its share of the fee that was taken, whatever the percentage is then; what comes back after a
    dispute (``restores``) is charged what had been given back for it.
    """
    exact, earned, taken = Fraction(0), Fraction(0), Decimal(0)
    changes: list[tuple[Fraction, Fraction]] = []
    for number, (revenue, percent) in enumerate(brought):
        part = Fraction(revenue)
        source = restores[number] if number < len(restores) else None
        if source is not None and changes[source][0] == -part:
            change = -changes[source][1]
        elif earned and part * earned < 0 and abs(part) <= abs(earned):
            change = exact * part / earned
        else:
            change = part * Fraction(percent) / 100
        changes.append((part, change))
        exact += change
        earned += part
        with exact_arithmetic():
            due = round_money(Decimal(exact.numerator) / exact.denominator, currency)
        yield due - taken
        taken = due
