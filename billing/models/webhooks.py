"""Webhooks: who is told of what at which address, and what became of every message."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User


class WebhookEndpointQuerySet(ScopedQuerySet["WebhookEndpoint"]):
    agency_path = "agency"

    def listening(self) -> WebhookEndpointQuerySet:
        """Those that are on, and have a secret to sign with."""
        return self.filter(is_active=True, secrets__isnull=False).distinct()


class WebhookEndpoint(models.Model):
    """An address of an agency's program, and which events it is told of.

    With a client, of that client's alone, and never of what is for the agency only.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="webhook_endpoints")
    client = models.ForeignKey(
        Client,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: events of all clients.",
    )
    url = models.CharField("address", max_length=500, help_text="https://hooks.example.com/path")
    description = models.CharField(max_length=200, blank=True)
    types = models.JSONField("events", default=list, help_text="What it is told of.")
    is_active = models.BooleanField(default=True)
    failing_since = models.DateTimeField(
        null=True, editable=False, help_text="The first failure after the last success."
    )
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_because = models.CharField(max_length=300, blank=True, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    def __str__(self) -> str:
        return self.description or self.url


class WebhookSecretQuerySet(ScopedQuerySet["WebhookSecret"]):
    agency_path = "endpoint__agency"


class WebhookSecret(models.Model):
    """What an endpoint's messages are signed with. Kept readable, because signing takes it; shown
    once, when it is made. Two are valid for a while when one takes the place of another."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    secret = models.CharField(max_length=200, unique=True)
    expires_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WebhookSecretQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Secret of {self.endpoint}"


class WebhookMessageQuerySet(ScopedQuerySet["WebhookMessage"]):
    agency_path = "agency"


class WebhookMessage(models.Model):
    """One thing that happened, as it is told: the same bytes to everybody, however often.

    Once for each type and row; a test has no row.
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    uid = models.CharField("id", max_length=60, unique=True, help_text="The webhook-id header.")
    type = models.CharField(max_length=60)
    row_id = models.BigIntegerField(null=True, help_text="The row that it is about.")
    is_for_clients = models.BooleanField(default=True)
    body = models.TextField()
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WebhookMessageQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("type", "row_id"), name="webhook_message_once"),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.uid}"


class WebhookDeliveryQuerySet(ScopedQuerySet["WebhookDelivery"]):
    agency_path = "endpoint__agency"


class WebhookDelivery(models.Model):
    """A message on its way to one endpoint. ``tries`` are those since it was sent or sent again;
    ``attempts`` are all there were."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries"
    )
    message = models.ForeignKey(WebhookMessage, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(help_text="Not tried before this instant.")
    claimed_at = models.DateTimeField(null=True, editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(fields=("endpoint", "message"), name="webhook_delivery_once"),
        )
        indexes = (
            models.Index(
                fields=("not_before",),
                condition=models.Q(state__in=("pending", "sending")),
                name="webhook_delivery_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.message} to {self.endpoint}"


class WebhookAttemptQuerySet(ScopedQuerySet["WebhookAttempt"]):
    agency_path = "delivery__endpoint__agency"


class WebhookAttempt(models.Model):
    """One try, and what came back: a status with the beginning of the answer, or an error."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="log")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    excerpt = models.TextField(blank=True)
    error = models.CharField(max_length=600, blank=True)

    objects = WebhookAttemptQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("delivery", "number"), name="webhook_attempt_once"),
        )

    def __str__(self) -> str:
        return f"Attempt {self.number}"
