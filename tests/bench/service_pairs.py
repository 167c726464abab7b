"""A reservation and its commit by the services alone, without HTTP."""

from __future__ import annotations

import threading
import uuid
from decimal import Decimal
from typing import Final

import django
from django.apps import apps

from tests.bench.crew import Act

_ready: Final = threading.Lock()


def make_pair(workspace_ids: list[int]) -> Act:
    """Reserves two units and commits one, a call, in a process of its own."""
    with _ready:
        if not apps.ready:
            django.setup()
    from django.utils import timezone

    from billing.services.reservations import commit_reservation, reserve
    from clients.models import UsageUnit, Workspace
    from clients.services.recording import SubmittedEvent

    found = Workspace.objects.select_related("client").in_bulk(workspace_ids)
    workspaces = [found[pk] for pk in workspace_ids]
    unit = UsageUnit.objects.get(agency=workspaces[0].agency_id)

    def act(number: int) -> None:
        workspace = workspaces[number % len(workspaces)]
        now = timezone.now()
        held = reserve(workspace=workspace, unit=unit, quantity=Decimal(2), now=now)
        event = SubmittedEvent(id=f"call-{uuid.uuid4()}", unit=unit.slug, quantity=Decimal(1))
        commit_reservation(reservation=held, event=event, now=now)

    return act
