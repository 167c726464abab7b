"""What is told of recording, as it happens. Who listens, the composition root says (settings).

A lower app never calls up: these are the two places where what was counted matters at once to
somebody above, and `RECORDING_TELLS` names the functions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils.module_loading import import_string

from clients.models import UsageWindow, Workspace


def spend_changed(
    workspace: Workspace, months: Sequence[dt.date], window_ids: Collection[int]
) -> None:
    """Inside the transaction: usage of a workspace over which a spend cap is set was counted, in
    windows that are locked; how far credit covers it may be written down in ``window_ids``."""
    _listener("spend")(workspace=workspace, months=months, window_ids=window_ids)


def call_attention(workspace: Workspace, window_ids: Sequence[int], now: dt.datetime) -> None:
    """After the commit: usage was counted in windows that billing wants to look at."""
    reached = UsageWindow.objects.filter(pk__in=window_ids, used__gte=F("attention_at"))
    if reached.exists():
        _listener("attention")(workspace_id=workspace.pk, now=now)


@cache
def _listener(what: str) -> Callable[..., Any]:
    found: Callable[..., Any] = import_string(settings.RECORDING_TELLS[what])
    return found
