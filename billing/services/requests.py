"""Top-ups that are asked for by those who may not buy, and decided by those who may."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from billing.models import TopUpBand, TopUpPurchase, TopUpRequest
from billing.refusals import RefusedError
from clients.models import AgencyMember, ClientMember, User, Workspace
from clients.services import windows

from .caps import make_ready
from .purchases import buy_on_account

LONGEST_NOTE = 500
DECIDING_ROLES = (AgencyMember.Role.OWNER, AgencyMember.Role.MANAGER)


@transaction.atomic
def ask_for_top_up(
    *,
    workspace: Workspace,
    band: TopUpBand,
    requested_by: User,
    now: dt.datetime,
    note: str = "",
) -> TopUpRequest:
    """Ask for a band. While one request for it is pending, asking again answers with that one.

    Raises RefusedError for a band that the plan at ``now`` does not offer, for a note that is too
    long, and for somebody who has no part in the workspace. Locks the workspace's row.
    """
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise RefusedError(f"Say it in at most {LONGEST_NOTE} characters.")
    if not Workspace.objects.for_user(requested_by).filter(pk=workspace.pk).exists():
        raise RefusedError(f"{requested_by} has no part in {workspace}.")
    locked = windows.lock_workspace(workspace.pk)
    pending = locked.top_up_requests.filter(band=band, state=TopUpRequest.State.PENDING).first()
    if pending is not None:
        return pending
    period = locked.periods.open().filter(start__lte=now, end__gt=now).first()
    if period is None or period.plan_version_id != band.version_id:
        raise RefusedError(f"The plan of {locked} does not offer {band}; choose one of its bands.")
    return TopUpRequest.objects.create(
        agency_id=locked.agency_id,
        workspace=locked,
        band=band,
        note=note,
        requested_by=requested_by,
        requested_at=now,
        created_at=now,
    )


@transaction.atomic
def approve_request(*, request: TopUpRequest, decided_by: User, now: dt.datetime) -> TopUpPurchase:
    """Buy what was asked for, on account; approved again, it answers with that purchase.

    Raises RefusedError for a request that was declined, for somebody who may not decide, and
    where `buy_on_account` refuses. Locks the workspace's row, then the request.
    """
    make_ready(workspace=request.workspace, now=now)
    found = _locked(request, decided_by)
    if found.state == TopUpRequest.State.DECLINED:
        raise RefusedError(f"The request for {found.band} was declined; ask again.")
    if found.purchase is not None:
        return found.purchase
    purchase = buy_on_account(
        workspace=found.workspace,
        band=found.band,
        now=now,
        key=f"request:{found.pk}",
        purchased_by=decided_by,
    )
    _decide(found, TopUpRequest.State.APPROVED, decided_by, now, purchase)
    return purchase


@transaction.atomic
def decline_request(*, request: TopUpRequest, decided_by: User, now: dt.datetime) -> TopUpRequest:
    """Decline what was asked for; declined again, it stays as it was.

    Raises RefusedError for a request that was approved and for somebody who may not decide. Locks
    the workspace's row, then the request.
    """
    found = _locked(request, decided_by)
    if found.state == TopUpRequest.State.APPROVED:
        raise RefusedError(f"The request for {found.band} was approved; it is bought.")
    if found.state == TopUpRequest.State.PENDING:
        _decide(found, TopUpRequest.State.DECLINED, decided_by, now, None)
    return found


def may_decide(*, workspace: Workspace, user: User) -> bool:
    """Whether somebody decides about requests: an admin of the client, an owner or account
    manager of the agency, or the operator."""
    if not user.is_active:
        return False
    if user.is_operator:
        return True
    manages = user.agency_memberships.filter(agency_id=workspace.agency_id, role__in=DECIDING_ROLES)
    buys = user.client_memberships.filter(
        client_id=workspace.client_id, role=ClientMember.Role.ADMIN
    )
    return manages.exists() or buys.exists()


def _locked(request: TopUpRequest, decided_by: User) -> TopUpRequest:
    workspace = windows.lock_workspace(request.workspace_id)
    if not may_decide(workspace=workspace, user=decided_by):
        raise RefusedError(f"{decided_by} may not decide about top-ups of {workspace}.")
    found = TopUpRequest.objects.select_related("workspace", "band")
    return found.select_for_update(of=("self",), no_key=True).get(pk=request.pk)


def _decide(
    request: TopUpRequest,
    state: str,
    decided_by: User,
    now: dt.datetime,
    purchase: TopUpPurchase | None,
) -> None:
    request.state = state
    request.decided_by = decided_by
    request.decided_at = now
    request.purchase = purchase
    request.save(update_fields=["state", "decided_by", "decided_at", "purchase"])
