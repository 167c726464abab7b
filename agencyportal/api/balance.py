"""GET /api/v1/balance: what is left of every unit of the workspace's package."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from agencyportal.api.authentication import ScopedView
from agencyportal.core.money import plain
from billing.selectors.usage import UnitBalance, unit_balances
from clients.models import WorkspaceKey


class BalanceView(ScopedView):
    """What is used, held and left in the period in progress."""

    required_scope = WorkspaceKey.Scope.READ

    def get(self, request: Request) -> Response:  # noqa: ARG002
        found = unit_balances(workspace=self.workspace, now=timezone.now())
        return Response({"units": [_shown(balance) for balance in found]})


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
        "resets_at": balance.resets_at.isoformat().replace("+00:00", "Z"),
        "policy": balance.policy,
    }
