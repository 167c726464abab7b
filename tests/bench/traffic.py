"""Bodies as programs send them, and the workspaces that they are sent to."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from clients.models import Agency, UsageUnit, Workspace
from clients.services.keys import create_key
from clients.services.windows import lock_workspace, open_window
from tests.bench import cast

UNIT: Final = "conversation"
_LABELS: Final = ("answers", "handover", "summary")
_MODELS: Final = ("gpt-4o", "gpt-4o-mini")


@dataclass(frozen=True, slots=True)
class Line:
    """A workspace, and the key that opens it."""

    workspace: Workspace
    key: str


def midnight() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def lines(count: int, owner: Agency | None = None) -> list[Line]:
    """Workspaces whose usage counts: a window of 30 days that began 20 days ago."""
    agency = owner or cast.agency()
    unit = UsageUnit.objects.filter(agency=agency).first() or cast.unit(agency, UNIT)
    start = midnight() - dt.timedelta(days=20)
    made = []
    for number in range(count):
        workspace = cast.workspace(agency, number)
        with transaction.atomic():
            locked = lock_workspace(workspace.pk)
            open_window(workspace=locked, unit=unit, start=start, end=start + dt.timedelta(days=30))
        _, key = create_key(
            workspace=workspace, name="bench", scopes=["events", "reserve", "read"], now=start
        )
        made.append(Line(workspace, key))
    return made


def event(name: str, number: int, newest: dt.datetime) -> dict[str, Any]:
    """A model call of a conversation; 1,000 in a row are spread over two hours."""
    return {
        "id": f"{name}-{number:08d}",
        "unit": UNIT,
        "time": (newest - dt.timedelta(seconds=7 * (number % 1000))).isoformat(),
        "subject": f"chat-{number // 3}",
        "label": _LABELS[number % 3],
        "run_id": f"run-{name}-{number // 3}",
        "provider": "openai",
        "model": _MODELS[number % 2],
        "usage": {
            "input_tokens": 900 + number % 500,
            "cached_input_tokens": 100,
            "output_tokens": 120 + number % 50,
        },
        "properties": {"channel": "web", "pages": number % 9},
    }


def body(name: str, first: int, size: int) -> bytes:
    """A list of ``size`` events that nobody has sent before."""
    newest = dt.datetime.now(dt.UTC)
    return json.dumps([event(name, first + n, newest) for n in range(size)]).encode()
