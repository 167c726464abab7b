"""The stored file of a document of record, and where it stands between *due* and *on disk*."""

from __future__ import annotations

import datetime as dt
from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

from agencyportal.core.tenancy import ScopedQuerySet

_D = TypeVar("_D", bound="RenderedDocument", covariant=True)


class RenderedDocument(models.Model):
    """The PDF of one issued document: what was sent, by its hash.

    Created *pending* in the transaction that issues. A worker claims it (``rendering``), commits,
    renders from the snapshot, stores the file, and records the outcome. A claim whose worker died
    is taken again after a while. ``path`` is a name in the ``documents`` storage.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        RENDERING = "rendering", "Rendering"
        RENDERED = "rendered", "Rendered"
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    path = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes.")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True, blank=True)
    rendered_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why the last attempt failed.")

    class Meta:
        abstract = True
        constraints = (
            models.CheckConstraint(
                condition=~Q(state="rendered")
                | (~Q(path="") & ~Q(sha256="") & Q(size__gt=0, rendered_at__isnull=False)),
                name="%(app_label)s_%(class)s_rendered_is_stored",
            ),
        )
        indexes = (
            models.Index(
                fields=("id",),
                condition=~Q(state="rendered"),
                name="%(app_label)s_%(class)s_due",
            ),
        )


class RenderedDocumentQuerySet(ScopedQuerySet[_D]):
    """Words for the files; a concrete model adds the paths to its agency and client."""

    def rendered(self) -> Self:
        """Files that exist and may be served."""
        return self.filter(state=RenderedDocument.State.RENDERED)

    def to_render(self, *, now: dt.datetime, retry_after: dt.timedelta, attempts: int) -> Self:
        """Files to be made: never tried, failed, or claimed by a worker that has not come back.

        ``retry_after`` is how long a claim or a failure is left alone, ``attempts`` how often is
        enough.
        """
        pending = Q(state=RenderedDocument.State.PENDING)
        stale = Q(
            state__in=(RenderedDocument.State.RENDERING, RenderedDocument.State.FAILED),
            claimed_at__lte=now - retry_after,
            attempts__lt=attempts,
        )
        return self.filter(pending | stale)
