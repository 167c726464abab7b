"""Housekeeping of the machine, not of any app."""

from __future__ import annotations

import time
from pathlib import Path

from celery import shared_task
from django.conf import settings

KEEP_PROCESSED_SECONDS = 24 * 3600


@shared_task
def tidy_embedded_broker() -> None:
    """Delete messages that were taken from the embedded broker more than a day ago."""
    folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("processed_folder")
    if folder is None:
        return
    oldest = time.time() - KEEP_PROCESSED_SECONDS
    for message in Path(folder).glob("*.msg"):
        # A rename keeps the time of writing, which is when the task was sent.
        if message.stat().st_mtime < oldest:
            message.unlink(missing_ok=True)
