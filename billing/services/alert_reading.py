"""Which alerts a person has read: up to where, by agency or by client."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from billing.models import Alert, AlertsRead
from clients.models import Client, User


def unread_by_client(*, client: Client, user: User) -> QuerySet[Alert]:
    """What a client was told and this person of it has not read."""
    mine = AlertsRead.objects.filter(user=user, client=client)
    told = Alert.objects.for_client(client).told_to_clients()
    return told.filter(pk__gt=_or_none(mine))


def unread_by_agencies(*, alerts: QuerySet[Alert], user: User) -> QuerySet[Alert]:
    """What of these alerts was told to agencies and this person has not read."""
    mine = AlertsRead.objects.filter(user=user, client=None, agency=OuterRef("agency"))
    return alerts.filter(tells_agency=True, pk__gt=_or_none(mine))


@transaction.atomic
def mark_read(*, user: User, up_to: Alert, client: Client | None, now: dt.datetime) -> None:
    """Note that a person has read up to an alert: as one of ``client``, or of the agency (None).

    Never goes back: an older page that is sent later unreads nothing.
    """
    row, is_new = AlertsRead.objects.get_or_create(
        user=user,
        agency_id=up_to.agency_id,
        client=client,
        defaults={"up_to": up_to.pk, "read_at": now},
    )
    if not is_new:
        AlertsRead.objects.filter(pk=row.pk).update(
            up_to=Greatest("up_to", Value(up_to.pk)), read_at=now
        )


def _or_none(mine: QuerySet[AlertsRead]) -> Coalesce:
    return Coalesce(Subquery(mine.values("up_to")[:1]), Value(0), output_field=BigIntegerField())
