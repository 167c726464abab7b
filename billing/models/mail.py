"""Mail that has to go out: written down with its cause, sent afterwards, once."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client


class MailQuerySet(ScopedQuerySet["Mail"]):
    agency_path = "agency"
    client_path = "client"


class Mail(models.Model):
    """One message. ``message_id`` is fixed when it is written, so that a message sent again after
    a crash is recognised as the same by the receiver.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="mail")
    client = models.ForeignKey(
        Client, on_delete=models.PROTECT, null=True, blank=True, related_name="mail"
    )
    key = models.CharField(max_length=200, unique=True, help_text="What it is about, once.")
    recipients = models.JSONField(help_text="A list of addresses.")
    subject = models.CharField(max_length=300)
    body_text = models.TextField()
    body_html = models.TextField(blank=True)
    attachment_path = models.CharField(
        max_length=300, blank=True, help_text="In the documents storage; sent when it is there."
    )
    attachment_name = models.CharField(max_length=200, blank=True)
    message_id = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(help_text="Not sent before this instant.")
    claimed_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = MailQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mail"
        indexes = (
            models.Index(
                fields=("not_before",),
                condition=models.Q(state__in=("pending", "sending")),
                name="mail_due",
            ),
        )

    def __str__(self) -> str:
        return self.subject
