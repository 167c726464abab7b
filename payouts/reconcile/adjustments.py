"""Adjustments: each earning by hand was asked for by one person and approved by another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from payouts.models import AdjustmentRequest, Earning
from payouts.services.adjustments import key_of

from .earnings import name_of as earning_name
from .findings import Checked, Finding, compare, missing, unexpected
from .scope import CHUNK, Scope

SUBJECT: Final = "Adjustments"


def check_adjustments(scope: Scope) -> Iterator[Finding]:
    """Every approved request against its earning, and no earning without one."""
    approved = AdjustmentRequest.State.APPROVED
    requests = scope.of(AdjustmentRequest.objects.select_related("earning")).order_by("pk")
    for request in requests.iterator(chunk_size=CHUNK):
        yield Checked(SUBJECT, 1)
        if request.state == approved and request.earning is None:
            yield missing(SUBJECT, Earning, str(request), request.amount)
        if request.earning is None:
            continue
        earning = request.earning
        fields: dict[str, tuple[Any, Any]] = {
            "agency": (earning.agency_id, request.agency_id),
            "client": (earning.client_id, request.client_id),
            "kind": (earning.kind, Earning.Kind.ADJUSTMENT.value),
            "amount": (earning.amount, request.amount),
            "currency": (earning.currency, request.currency),
            "occurred_at": (earning.occurred_at, request.decided_at),
            "key": (earning.key, key_of(request)),
        }
        yield from compare(SUBJECT, earning, earning_name(earning), fields)
    alone = Earning.objects.filter(kind=Earning.Kind.ADJUSTMENT, adjustment=None)
    for earning in scope.of(alone).order_by("pk"):
        yield unexpected(SUBJECT, earning, earning_name(earning), earning.amount)
