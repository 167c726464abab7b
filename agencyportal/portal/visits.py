"""Who looks at which client's pages, and may do what there.

Only members of a client have a place here: an agency's people and the operator see the same rows
in the admin. For everybody else a client's pages do not exist.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from agencyportal.portal import selectors
from agencyportal.portal.brand import sheet_name
from agencyportal.portal.writing import Writing
from billing.services.alert_reading import unread_by_client
from billing.services.invoice_snapshot import locale_of
from clients.models import Agency, Client, ClientMember, User


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to one client's pages."""

    user: User
    client: Client
    role: str
    has_other_clients: bool
    waiting_requests: int
    """Top-ups that somebody asked for and a client's admin has to decide on."""
    writing: Writing
    unread_alerts: int = 0
    """Alerts that the client was told of and this person has not marked as read."""

    @property
    def agency(self) -> Agency:
        return self.client.agency

    @property
    def now(self) -> dt.datetime:
        return self.writing.now

    @property
    def may_buy(self) -> bool:
        return self.role == ClientMember.Role.ADMIN

    @property
    def brand_sheet(self) -> str:
        return sheet_name(self.agency.brand_color)

    def must_be_allowed_to_buy(self) -> None:
        """Raises PermissionDenied for those who may only look and ask."""
        if not self.may_buy:
            raise PermissionDenied


View = Callable[..., HttpResponse]


def client_page(view: View) -> View:
    """A page below `/portal/<client_id>/`: the view gets a `Visit`, outsiders get 404.

    Anonymous visitors are sent to sign in. Nothing of it is kept by browsers and proxies.
    """

    @never_cache
    @login_required
    @wraps(view)
    def page(request: HttpRequest, client_id: int, **kwargs: Any) -> HttpResponse:
        return view(request, visit_of(request, client_id), **kwargs)

    return page


def visit_of(request: HttpRequest, client_id: int) -> Visit:
    """Raises Http404 unless the person is a member of the client."""
    user = cast(User, request.user)
    memberships = selectors.memberships(user)
    mine = next((member for member in memberships if member.client_id == client_id), None)
    if mine is None:
        raise Http404("No such client.")
    return Visit(
        user=user,
        client=mine.client,
        role=mine.role,
        has_other_clients=len(memberships) > 1,
        waiting_requests=selectors.count_waiting_requests(mine.client),
        writing=writing_for(mine.client, timezone.now()),
        unread_alerts=unread_by_client(client=mine.client, user=user).count(),
    )


def writing_for(client: Client, now: dt.datetime) -> Writing:
    return Writing(
        locale=locale_of(client), currency=client.currency, timezone=client.timezone, now=now
    )


def show(
    request: HttpRequest,
    visit: Visit,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    section: str,
    status: int = 200,
) -> HttpResponse:
    """A client's page inside its frame. ``section``: the part of the portal it belongs to."""
    frame = {"visit": visit, "agency": visit.agency, "section": section}
    return render(request, template, {**frame, **(context or {})}, status=status)
