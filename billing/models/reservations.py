"""Units held before a call and settled after it."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import MoneyField, NanosField, QuantityField
from agencyportal.core.money import plain
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, UsageEvent, UsageUnit, UsageWindow, Workspace


class ReservationQuerySet(ScopedQuerySet["Reservation"]):
    agency_path = "agency"
    client_path = "workspace__client"

    def open(self) -> ReservationQuerySet:
        return self.filter(state=Reservation.State.OPEN)

    def overdue(self, now: dt.datetime) -> ReservationQuerySet:
        """Open ones whose time is over: their units are to be freed."""
        return self.open().filter(expires_at__lte=now)


class Reservation(models.Model):
    """A quantity of a unit held against the window's capacity (ENGINE 8).

    Open, it counts in ``UsageWindow.reserved`` and nowhere else: no waterfall and no invoice sees
    it. Committing records an event at ``reserved_at`` and frees the rest.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        COMMITTED = "committed", "Committed"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Expired"

    public_id = models.UUIDField(unique=True, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="reservations")
    unit = models.ForeignKey(UsageUnit, on_delete=models.PROTECT, related_name="+")
    window = models.ForeignKey(UsageWindow, on_delete=models.PROTECT, related_name="reservations")
    quantity = QuantityField()
    cost = NanosField(default=0, help_text="Routed cost held, in the client's currency.")
    spend = MoneyField(default=0, help_text="Overage held, as priced when it was reserved.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    reserved_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    event = models.OneToOneField(
        UsageEvent, on_delete=models.PROTECT, null=True, blank=True, related_name="reservation"
    )
    overshoot = QuantityField(default=0, help_text="Units committed beyond what was reserved.")
    cost_overshoot = NanosField(default=0, help_text="Cost committed beyond what was reserved.")
    key = models.CharField(
        max_length=255, null=True, blank=True, help_text="The caller's Idempotency-Key."
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("workspace", "key"), name="reservation_once_per_key"),
            models.CheckConstraint(
                condition=models.Q(
                    quantity__gt=0, overshoot__gte=0, cost__gte=0, cost_overshoot__gte=0
                ),
                name="reservation_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", settled_at__isnull=True)
                | (~models.Q(state="open") & models.Q(settled_at__isnull=False)),
                name="reservation_settled_with_time",
            ),
        )
        indexes = (
            models.Index(
                fields=("expires_at",), condition=models.Q(state="open"), name="reservation_due"
            ),
        )

    def __str__(self) -> str:
        held = f"{plain(self.quantity)} {self.unit.plural}"
        return f"{held} held until {self.expires_at:%Y-%m-%d %H:%M}"
