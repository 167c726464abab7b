"""Agencies' accounts at Stripe, as far as the portal knows them."""

from __future__ import annotations

from django.db import models

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, User


class StripeAccountQuerySet(ScopedQuerySet["StripeAccount"]):
    agency_path = "agency"


class StripeAccount(models.Model):
    """An agency as a connected account: one in test mode and one in live mode. What Stripe says of
    it is read anew when Stripe tells of it, and before it is given money."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="stripe_accounts")
    is_live = models.BooleanField()
    account_id = models.CharField("Stripe's id", max_length=255, unique=True)
    is_submitted = models.BooleanField(default=False, help_text="The agency has told Stripe all.")
    takes_transfers = models.BooleanField(default=False, help_text="It may be given money.")
    is_paid_out = models.BooleanField(default=False, help_text="Stripe pays it on to a bank.")
    disabled_reason = models.CharField(max_length=200, blank=True)
    due = models.JSONField(default=list, help_text="What Stripe still asks for.")
    read_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = StripeAccountQuerySet.as_manager()

    class Meta:
        verbose_name = "Stripe account"
        ordering = ("agency", "pk")
        constraints = (
            models.UniqueConstraint(fields=("agency", "is_live"), name="stripe_account_once"),
        )

    def __str__(self) -> str:
        return f"Stripe {self.account_id}"

    @property
    def is_ready(self) -> bool:
        """Whether money that is given to it gets anywhere."""
        return self.takes_transfers and self.is_paid_out

    @property
    def standing(self) -> str:
        """How it stands, in words."""
        if self.is_ready:
            return "Ready"
        if self.disabled_reason:
            return (
                f"Disabled by Stripe: {self.disabled_reason.replace('_', ' ').replace('.', ', ')}"
            )
        return "Stripe is looking at it" if self.is_submitted else "Not set up yet"
