"""Workspaces, one per deployment of a client, and the keys that speak for them."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from agencyportal.core.tenancy import ScopedQuerySet

from .parties import Agency, Client
from .people import User


class CostPayer(models.TextChoices):
    """Who pays the bill of the model's provider."""

    PLATFORM = "platform", "The platform (routed)"
    AGENCY = "agency", "The agency"


class WorkspaceQuerySet(ScopedQuerySet["Workspace"]):
    agency_path = "agency"
    client_path = "client"


class Workspace(models.Model):
    """One deployment of one client: a white-label app, a department, a site.

    The row is also the lock between recording and closing: recording holds it shared, closing
    holds it alone while it moves ``settled_until`` (clients/README.md, "Lock order").
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="workspaces")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="workspaces")
    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    cost_payer = models.CharField(
        max_length=10, choices=CostPayer.choices, default=CostPayer.PLATFORM
    )
    settled_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Usage before this instant is closed; what still arrives is late.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class WorkspaceKeyQuerySet(ScopedQuerySet["WorkspaceKey"]):
    agency_path = "workspace__agency"
    client_path = "workspace__client"

    def usable(self, now: object) -> WorkspaceKeyQuerySet:
        """Keys that open their workspace at ``now``: neither revoked nor expired."""
        return self.filter(revoked_at=None).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class WorkspaceKey(models.Model):
    """A secret with which a client's program speaks for one workspace. Only its hash is kept."""

    class Scope(models.TextChoices):
        EVENTS = "events", "Report usage"
        READ = "read", "Read usage and balance"
        RESERVE = "reserve", "Reserve units"
        CORRECTIONS = "corrections", "Correct reported usage"
        GATEWAY = "gateway", "Route model calls"

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, help_text="The key's first characters, to tell it by.")
    secret_hash = models.CharField(
        max_length=64, unique=True, editable=False, help_text="SHA-256 of the whole key, hex."
    )
    scopes = models.JSONField(default=list, help_text="A list of scope names.")
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = WorkspaceKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"
