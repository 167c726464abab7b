"""What a database and its documents say, to be compared before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from django.apps import apps
from django.core.files.storage import storages

from billing.models import InvoiceDocument
from payouts.models import StatementDocument

OURS = ("clients", "billing", "payouts")


def everything(apps_of: Collection[str] = OURS) -> dict[str, object]:
    """Every row of ours by its values, and every file by its hash.

    ``apps_of``: labels of the apps whose rows are looked at.
    """
    rows: dict[str, object] = {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for name in apps_of
        for model in apps.get_app_config(name).get_models()
    }
    paths = [
        document.path
        for model in (InvoiceDocument, StatementDocument)
        for document in model._base_manager.exclude(path="")
    ]
    rows["files"] = {path: file_hash(path) for path in paths}
    return rows


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """The names of what differs."""
    return [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]


def file_hash(path: str) -> str:
    return hashlib.sha256(Path(storages["documents"].path(path)).read_bytes()).hexdigest()
