"""What the tests of billing share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps

from payouts.reconcile.books import reconcile
from payouts.reconcile.findings import Difference
from payouts.reconcile.scope import Scope


@pytest.fixture
def row_counts(db: None) -> Callable[[], dict[str, int]]:
    """How many rows every table of ours has: doing something twice must not change it."""

    def counts() -> dict[str, int]:
        return {
            model._meta.label: model._base_manager.count()
            for app in ("clients", "billing", "payouts")
            for model in apps.get_app_config(app).get_models()
        }

    return counts


@pytest.fixture
def documents(settings, tmp_path) -> Path:
    """The folder of stored documents, empty and the test's own."""
    folder = tmp_path / "documents"
    folder.mkdir()
    options = {**settings.STORAGES["documents"]["OPTIONS"], "location": folder}
    settings.STORAGES = {
        **settings.STORAGES,
        "documents": {**settings.STORAGES["documents"], "OPTIONS": options},
    }
    return folder


@pytest.fixture
def proved(db: None) -> Iterator[None]:
    """Whatever the test has done, reconciling proves the books afterwards."""
    yield
    found = [str(each) for each in reconcile(Scope()) if isinstance(each, Difference)]
    assert found == []
