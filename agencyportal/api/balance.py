"""GET /api/v1/balance: what is left of every unit of the workspace's package."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.core.money import plain
from billing.selectors.caps import CapUse, caps_over
from billing.selectors.usage import UnitBalance, unit_balances
from clients.models import CapLevel, WorkspaceKey


class BalanceView(ScopedView):
    """What is used, held and left in the period in progress."""

    required_scope = WorkspaceKey.Scope.READ

    def get(self, request: Request) -> Response:  # noqa: ARG002
        now = timezone.now()
        found = unit_balances(workspace=self.workspace, now=now)
        caps = caps_over(workspace=self.workspace, now=now)
        told = [cap for cap in caps if cap.level != CapLevel.AGENCY]
        return Response(
            {"units": [_shown(balance) for balance in found], "caps": [_cap(cap) for cap in told]}
        )


def _shown(balance: UnitBalance) -> dict[str, Any]:
    return {
        "unit": balance.unit.slug,
        "included": plain(balance.included),
        "granted": plain(balance.granted),
        "promotional": plain(balance.promotional),
        "used": plain(balance.used),
        "reserved": plain(balance.reserved),
        "remaining": plain(balance.remaining),
        "overage": plain(balance.overage),
        "cap": None if balance.cap is None else plain(balance.cap),
        "cap_left": None if balance.cap_left is None else plain(balance.cap_left),
        "resets_at": _instant(balance.resets_at),
        "policy": balance.policy,
        "question": _question(balance),
    }


def _question(balance: UnitBalance) -> dict[str, Any] | None:
    """Under the policy `ask`: how what the client is asked stands; else null."""
    if not balance.asking or balance.up_to is None:
        return None
    asked = balance.asked
    answered_at = None if asked is None else asked.answered_at
    return {
        "state": balance.asking,
        "up_to": plain(balance.up_to),
        "answer_by": None if asked is None else _instant(asked.answer_by),
        "answered_at": None if answered_at is None else _instant(answered_at),
    }


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _cap(cap: CapUse) -> dict[str, Any]:
    """What an agency's own cap over all of its clients has left is not for one of them to know."""
    return {
        "scope": CapLevel(cap.level).name.lower(),
        "kind": cap.kind,
        "unit": cap.unit.slug if cap.unit else None,
        "currency": cap.currency or None,
        "month": f"{cap.month:%Y-%m}",
        "limit": plain(cap.limit),
        "used": plain(cap.used),
        "reserved": plain(cap.held),
        "left": plain(cap.left),
        "set_by": cap.set_by,
    }
