"""Does what policies call for by themselves as usage comes in: automatic top-ups are bought, and
clients asked whether it goes on (ENGINE 9).

Looked at after recording commits, where a window has reached what it was to be looked at from
(`UsageWindow.attention_at`), and by the schedule, wherever usage has changed since the last look.
What is called for is a pure function of grants and quarter hours (`billing.auto_top_up`), and each
purchase has one key, so that looking twice, or many at once, buys once.

Lock order: the workspace alone -> windows by key -> balances of caps.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import F, Q

from billing.auto_top_up import automatic_grants, may_buy
from billing.models import TopUpBand, TopUpPurchase
from billing.overage_documents import AutoTopUp
from billing.plan_documents import TopUpDocument
from billing.refusals import NotAdmittedError
from billing.selectors.balances import Balance, open_balances
from billing.simulation import top_up_expiry
from billing.waterfall import DEFAULT_PRIORITY, Grant, GrantKind
from clients.models import UsageWindow, Workspace
from clients.services import windows

from .caps import make_ready
from .plans import band_document
from .purchases import book
from .questions import ask_where_passed

ZERO: Final = Decimal(0)
_logger = logging.getLogger(__name__)


def attend(*, workspace_id: int, now: dt.datetime) -> list[TopUpPurchase]:
    """Buy what the automatic top-ups of a workspace call for now, and ask its client where it is to
    be asked; returns what was bought.

    Commits on its own. A cap on spend that does not allow a purchase is a maximum like the
    policy's own: nothing is bought, and `then` applies.
    """
    make_ready(workspace=Workspace.objects.select_related("client").get(pk=workspace_id), now=now)
    with transaction.atomic():
        workspace = windows.lock_workspace(workspace_id, changes_credit=False)
        bought = _buy_everything(workspace, now)
        asked = ask_where_passed(workspace=workspace, now=now)
        _note(workspace, now)
        if bought or asked:
            windows.lock_workspace(workspace_id)  # credit has changed, or how far it goes
    return bought


def attend_all(*, now: dt.datetime, limit: int | None = None) -> int:
    """The same for every workspace with usage that was not looked at; how much was bought.

    Each in its own transaction; one that fails is logged and holds up no other.
    """
    changed = Q(attended=None) | ~Q(used=F("attended"))
    is_open = Q(workspace__settled_until=None) | Q(end__gt=F("workspace__settled_until"))
    waiting = UsageWindow.objects.filter(
        changed, is_open, attention_at__isnull=False, start__lte=now, used__gt=ZERO
    )
    ids = waiting.order_by("workspace_id").values_list("workspace_id", flat=True).distinct()
    bought = 0
    for workspace_id in list(ids[:limit]):
        try:
            bought += len(attend(workspace_id=workspace_id, now=now))
        except Exception:
            _logger.exception("policies of workspace %s were not looked at", workspace_id)
    return bought


def _buy_everything(workspace: Workspace, now: dt.datetime) -> list[TopUpPurchase]:
    """Period by period: what is bought in one may carry over into the next."""
    bought: list[TopUpPurchase] = []
    refused: set[tuple[int, int]] = set()
    while True:
        found = _first_call(workspace, refused, now)
        if found is None:
            return bought
        balance, band, instants, already = found
        for number, at in enumerate(instants, start=already + 1):
            purchase = _buy(workspace, balance, band, at, number, now)
            if purchase is None:
                refused.add((balance.period.pk, balance.unit.pk))
                break
            bought.append(purchase)


Call = tuple[Balance, TopUpBand, list[dt.datetime], int]
"""(what is short, the band, at which instants it is bought, how often it was before)"""


def _first_call(
    workspace: Workspace, refused: Iterable[tuple[int, int]], now: dt.datetime
) -> Call | None:
    """The first period and unit whose usage calls for bands."""
    for balances in open_balances(workspace=workspace, until=now, grows=False):
        for balance in balances:
            auto = balance.allowance.overage.auto_top_up if balance.allowance else None
            if auto is None or (balance.period.pk, balance.unit.pk) in refused:
                continue
            band = _band(balance, auto)
            already = _bought_before(workspace, balance)
            instants = _instants(balance, auto, band_document(band), already)
            if instants:
                return balance, band, instants, already
    return None


def _instants(
    balance: Balance, auto: AutoTopUp, band: TopUpDocument, already: int
) -> list[dt.datetime]:
    if not may_buy(auto, band, already):
        return []

    def made(at: dt.datetime) -> Grant:
        return Grant(
            id=f"automatic {at}",
            kind=GrantKind.TOP_UP,
            quantity=band.quantity,
            effective_at=at,
            expires_at=top_up_expiry(band.expires, at, balance.bounds, balance.period.timezone),
            priority=DEFAULT_PRIORITY[GrantKind.TOP_UP],
            sequence=2**62,
        )

    grants = [outcome.grant for outcome in balance.result.grants]
    new = automatic_grants(auto, band, grants, balance.result.buckets, made, already=already)
    return [grant.effective_at for grant in new]


def _buy(
    workspace: Workspace,
    balance: Balance,
    band: TopUpBand,
    at: dt.datetime,
    number: int,
    now: dt.datetime,
) -> TopUpPurchase | None:
    """Buy as of the quarter hour that called for it; None where a cap does not allow it."""
    try:
        with transaction.atomic():
            return book(
                workspace,
                band,
                balance.period,
                at=at,
                key=f"{_prefix(balance)}{number}",
                now=now,
            )
    except NotAdmittedError as refused:
        _logger.info("%s was not topped up: %s", workspace, refused)
        return None


def _prefix(balance: Balance) -> str:
    return f"auto:{balance.period.pk}:{balance.unit.pk}:"


def _bought_before(workspace: Workspace, balance: Balance) -> int:
    return workspace.purchases.filter(key__startswith=_prefix(balance)).count()


def _band(balance: Balance, auto: AutoTopUp) -> TopUpBand:
    found: TopUpBand = TopUpBand.objects.select_related("unit").get(
        version=balance.period.plan_version_id, name=auto.band
    )
    return found


def _note(workspace: Workspace, now: dt.datetime) -> None:
    """Write down on each window when to look again, and that it was looked at."""
    for balances in open_balances(workspace=workspace, until=now, grows=False):
        for balance in balances:
            mine = UsageWindow.objects.filter(
                workspace=workspace, unit=balance.unit, start=balance.period.start
            )
            mine.filter(attention_at__isnull=False).update(
                attention_at=_next_look(balance), attended=F("used")
            )


def _next_look(balance: Balance) -> Decimal | None:
    """What usage has to come to for something to be called for, as long as no credit changes.
    None: nothing any more, since a client is asked once."""
    if balance.asked is not None:
        return None
    if balance.asks:
        return balance.used + balance.remaining
    auto = balance.allowance.overage.auto_top_up if balance.allowance else None
    if auto is None:
        return balance.used
    return max(ZERO, balance.used + balance.remaining - auto.at)
