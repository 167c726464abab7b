#!/usr/bin/env python
"""Runs the portal's commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agencyportal.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed here. Run `make setup`, then .venv/bin/python manage.py ..."
        ) from error
    from django.core.exceptions import ImproperlyConfigured
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        raise SystemExit(f"Not configured. {error}") from error
    except DatabaseError as error:
        from agencyportal.database_state import why_unusable

        reason = why_unusable()
        if reason is None:
            raise
        raise SystemExit(reason) from error


if __name__ == "__main__":
    main()
