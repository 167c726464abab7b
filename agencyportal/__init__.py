"""Agency Portal: the composition root and the faces."""

from agencyportal.celery import app as celery_app

__all__ = ["celery_app"]
