"""Tries to be paid through Stripe: what they have in common, whatever they are for."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Final, TypeVar

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency

AUTHENTICATE: Final = "authentication_required"
"""The bank's word for: its holder has to confirm it."""

_Row = TypeVar("_Row", bound=models.Model)


class AttemptQuerySet(ScopedQuerySet[_Row]):
    agency_path = "agency"
    client_path = "client"

    def unsettled(self) -> AttemptQuerySet[_Row]:
        """Those that may still be paid."""
        return self.filter(state__in=PaymentAttempt.UNSETTLED)

    def in_trouble(self) -> AttemptQuerySet[_Row]:
        """Those about which somebody has to do something."""
        return self.exclude(trouble="")


class PaymentAttempt(models.Model):
    """One try to be paid through Stripe. The intent is written first; then Stripe is asked.

    ``paid`` means that the money has come. ``failure`` is in words for the client; each kind has a
    ``trouble`` of its own, in words for the operator.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting to be paid"
        PROCESSING = "processing", "On its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Cancelled"

    class Method(models.TextChoices):
        PAGE = "page", "On Stripe's page"
        CARD = "card", "By the saved card"

    UNSETTLED: ClassVar = (State.PENDING, State.PROCESSING)
    FINAL: ClassVar[tuple[str, ...]] = (State.PAID,)
    """From these nothing leads back."""

    RELATED: ClassVar[tuple[str, ...]] = ()
    """What is read with a row that Stripe is to be asked about."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    is_live = models.BooleanField()
    session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    intent_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    pay_url = models.CharField(
        max_length=2000, blank=True, help_text="Where it can be paid or confirmed."
    )
    failure = models.CharField(max_length=500, blank=True, help_text="In words for the client.")
    paid_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(help_text="When Stripe is asked next how it stands.")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        abstract = True

    @property
    def begun_at(self) -> dt.datetime:
        """When somebody wanted to pay."""
        raise NotImplementedError
