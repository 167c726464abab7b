"""What the portal keeps of Stripe: ids, a client's card as people may see it, and the events."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet, platform_row
from clients.models import Agency, Client


class StripeCustomerQuerySet(ScopedQuerySet["StripeCustomer"]):
    agency_path = "agency"
    client_path = "client"


class StripeCustomer(models.Model):
    """A client as Stripe's customer: made when it first pays there, and kept in step.

    One in test mode and one in live mode, since Stripe keeps these apart. No card data: ``card_*``
    is what people may see of the method that is charged.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="stripe_customers")
    is_live = models.BooleanField()
    customer_id = models.CharField("Stripe's id", max_length=255, unique=True)
    told = models.JSONField(default=dict, help_text="What Stripe was last told of the client.")
    told_at = models.DateTimeField()
    error = models.CharField(
        max_length=500, blank=True, help_text="Why it could not be told of a change."
    )
    card_id = models.CharField(max_length=255, blank=True)
    card_kind = models.CharField(max_length=40, blank=True)
    card_brand = models.CharField(max_length=40, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    card_exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    card_exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    card_read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = StripeCustomerQuerySet.as_manager()

    class Meta:
        verbose_name = "Stripe customer"
        constraints = (
            models.UniqueConstraint(fields=("client", "is_live"), name="stripe_customer_once"),
        )

    def __str__(self) -> str:
        return self.customer_id

    @property
    def has_card(self) -> bool:
        """Whether a method for later charges is saved."""
        return bool(self.card_id)

    @property
    def card_in_words(self) -> str:
        """The saved card as people know it, "Visa •••• 4242"; empty where there is none."""
        if not self.has_card:
            return ""
        name = (self.card_brand or self.card_kind).replace("_", " ").title()
        return f"{name} •••• {self.card_last4}"


@platform_row("Stripe's account is the platform's; an event may be about any agency, or none")
class StripeEvent(models.Model):
    """Something that Stripe told of, once however often it was sent.

    ``state``: pending until it is done; ``ignored`` where nothing here is about it; ``failed`` when
    every try failed. ``tries`` are those since it came or was sent again by hand.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        WORKING = "working", "Working"
        DONE = "done", "Done"
        IGNORED = "ignored", "Ignored"
        FAILED = "failed", "Failed"

    event_id = models.CharField("Stripe's id", max_length=255, unique=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255, blank=True, help_text="What it is about.")
    account = models.CharField(
        max_length=255, blank=True, help_text="The connected account; empty: the platform's own."
    )
    is_live = models.BooleanField()
    body = models.JSONField()
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    deliveries = models.PositiveIntegerField(default=1, help_text="How often it was sent to us.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(help_text="Not tried before this instant.")
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    done_at = models.DateTimeField(null=True, blank=True)
    said = models.CharField(max_length=500, blank=True, help_text="What came of it, or went wrong.")

    class Meta:
        verbose_name = "Stripe event"
        ordering = ("-occurred_at", "-pk")
        indexes = (
            models.Index(
                fields=("not_before",),
                condition=models.Q(state__in=("pending", "working")),
                name="stripe_event_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
