"""Corrections: each begins where the one before it ended, and stands where its time puts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from clients.models import UsageCorrection, UsageEvent, Workspace

from .findings import Checked, Finding, compare

SUBJECT: Final = "Corrections"
Standing = UsageCorrection.Standing

Corrections = Mapping[int, Sequence[UsageCorrection]]
"""By event, in the order in which they were made."""


def corrections_of(workspace: Workspace) -> Corrections:
    """All corrections of a workspace, with their events."""
    found: dict[int, list[UsageCorrection]] = defaultdict(list)
    rows = UsageCorrection.objects.filter(workspace=workspace).select_related("event")
    for row in rows.order_by("pk"):
        found[row.event_id].append(row)
    return found


def counted_quantity(event: UsageEvent, corrections: Corrections) -> Decimal:
    """What an event adds to the sums: corrections for closed periods leave them alone."""
    quantity = event.quantity
    for row in corrections.get(event.pk, ()):
        if row.standing != Standing.LATE:
            quantity = row.quantity
    return quantity


def check_corrections(workspace: Workspace, corrections: Corrections) -> Iterator[Finding]:
    count = 0
    for rows in corrections.values():
        before = rows[0].event.quantity
        was_late = False
        for row in rows:
            count += 1
            name = f"correction of event {row.event.external_id} of {workspace}"
            fields: dict[str, tuple[object, object]] = {
                "workspace": (row.workspace_id, row.event.workspace_id),
                "previous": (row.previous, before),
            }
            expected = _standing(row, workspace, was_late=was_late)
            if row.standing not in expected:
                fields["standing"] = (row.standing, " or ".join(sorted(expected)))
            yield from compare(SUBJECT, row, name, fields)
            before = row.quantity
            was_late = was_late or row.standing == Standing.LATE
    if count:
        yield Checked(SUBJECT, count)


def _standing(row: UsageCorrection, workspace: Workspace, *, was_late: bool) -> set[str]:
    """Late only where usage is settled, and from then on always."""
    event = row.event
    if event.standing == UsageEvent.Standing.UNBILLED:
        # A window that moved away may have left what was counted unbilled.
        return {Standing.UNBILLED, Standing.COUNTED}
    if event.standing == UsageEvent.Standing.LATE or was_late:
        return {Standing.LATE}
    settled = workspace.settled_until
    allowed: set[str] = {Standing.COUNTED, Standing.UNBILLED}
    if settled is not None and event.occurred_at < settled:
        allowed.add(Standing.LATE)
    return allowed
