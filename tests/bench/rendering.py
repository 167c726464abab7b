"""One process that makes the files of documents until none is due: the bench starts two."""

from __future__ import annotations

import datetime as dt
import sys

import django


def main(now: str) -> None:
    django.setup()
    from billing.services.rendering import render_due_documents

    render_due_documents(now=dt.datetime.fromisoformat(now))


if __name__ == "__main__":
    main(sys.argv[1])
