"""Price, close, draft, issue, settle, pay out, render and send, in processes that die where told.

`python -m tests.killed.mortal_run DEATHS`, a JSON list of deaths, on the portal that the
environment names. For each of them a process does everything that is due and kills itself, as
`kill -9` does, before or after the given call of a function; the next one takes over. Prints the
signals they died of.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import signal
import sys
from typing import Any, NamedTuple

import django

AS_OF = dt.datetime(2026, 2, 2, 6, tzinfo=dt.UTC)
"""January is over, and its grace."""


class Death(NamedTuple):
    """At the ``nth`` call of a function of a module, ``before`` or ``after`` it."""

    module: str
    function: str
    when: str
    nth: int = 1


MARCH = dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC)
"""Northwind's February is over, and its payout is due."""


def close_and_issue() -> None:
    """What is due in the books: usage priced, January closed and issued, what came late settled,
    earnings posted, and February's payout made up."""
    from billing.services.closing import close_due_periods
    from billing.services.invoicing import draft_due_invoices, issue_due_invoices
    from billing.services.late_usage import settle_late_usage
    from clients.models import Workspace
    from clients.services.price_again import price_again
    from payouts.services.earnings import post_due_earnings
    from payouts.services.payouts import build_payouts

    workspaces = Workspace.objects.select_related("client").order_by("pk")
    price_again(workspaces=workspaces, now=AS_OF)
    close_due_periods(now=AS_OF)
    draft_due_invoices(now=AS_OF)
    issue_due_invoices(now=AS_OF)
    for workspace in workspaces:
        report_late(workspace)
    settle_late_usage(now=AS_OF)
    post_due_earnings(now=AS_OF)
    build_payouts(now=MARCH)


def report_late(workspace: Any) -> None:
    """A conversation of the closed period; reported again, it is the same."""
    from clients.services.recording import SubmittedEvent, record_events

    at = AS_OF - dt.timedelta(days=10)
    event = SubmittedEvent(id="late", unit="conversation", time=at)
    record_events(workspace=workspace, events=[event], now=AS_OF)


def render(*, hours_later: int) -> None:
    """What a dead worker claimed is free again some time later."""
    from billing.services.rendering import render_due_documents

    render_due_documents(now=AS_OF + dt.timedelta(hours=hours_later))


def send(*, hours_later: int) -> None:
    from billing.services.mailing import send_due_mail

    send_due_mail(now=AS_OF + dt.timedelta(hours=hours_later))


def expect(death: Death) -> None:
    module = importlib.import_module(death.module)
    function = getattr(module, death.function)
    calls = 0

    def mortal(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if (calls, death.when) == (death.nth, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if (calls, death.when) == (death.nth, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, death.function, mortal)


def main(deaths: list[Death]) -> None:
    django.setup()
    from billing.services import batches
    from clients.services import price_again

    batches.BATCH = 2  # type: ignore[misc]  # several batches of a few rows
    price_again.AT_ONCE = 1  # type: ignore[misc]
    died_of = []
    for hours, death in enumerate(deaths):
        child = os.fork()
        if not child:
            expect(death)
            close_and_issue()
            render(hours_later=hours)
            send(hours_later=hours)
            os._exit(0)
        died_of.append(os.WTERMSIG(os.waitpid(child, 0)[1]))
    json.dump(died_of, sys.stdout)


if __name__ == "__main__":
    main([Death(*death) for death in json.loads(sys.argv[1])])
