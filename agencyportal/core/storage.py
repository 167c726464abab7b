"""Where files lie: static ones that everybody may fetch, and documents that nobody may."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Hashed names in a deployment; plain names in a checkout, where nothing is collected."""

    def url(self, name: str | None, force: bool = False) -> str:
        if not self.hashed_files:
            return StaticFilesStorage.url(self, name)
        return str(super().url(name, force))


class DocumentStorage(FileSystemStorage):
    """Documents of record. No URL leads to them, only views that ask who is reading."""

    def url(self, name: str | None) -> str:
        raise ValueError(f"The document {name} has no URL: serve it from an authorised view.")
