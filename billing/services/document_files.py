"""Files of record in the ``documents`` storage: one name each, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from agencyportal.core.rendered import RenderedDocument
from billing.models import EInvoicedDocument


class DamagedDocumentError(RuntimeError):
    """The stored file is missing, or is not the one that was recorded."""


def store_document(path: str, content: bytes, *, attempt: int = 1) -> None:
    """Write ``content`` under ``path``, whole or not at all, and never under another name.

    A file with these bytes is left as it is; any other is replaced: until its hash is recorded, a
    file is what an earlier attempt left behind. ``attempt`` names the temporary file, so that two
    workers never write the same one; those of earlier attempts are removed.
    """
    storage = storages["documents"]
    if storage.exists(path) and _read(storage, path) == content:
        return
    try:
        target = Path(storage.path(path))
    except NotImplementedError:  # an object store, which writes whole objects
        _put(storage, path, content)
        return
    part = _part(path, attempt)
    storage.delete(part)
    _put(storage, part, content)
    _sync(Path(storage.path(part)))
    Path(storage.path(part)).replace(target)
    _sync(target.parent)
    for earlier in range(1, attempt):
        storage.delete(_part(path, earlier))


def read_document(document: RenderedDocument) -> bytes:
    """The file of a rendered document, proved by its hash.

    Raises DamagedDocumentError when it is missing or is not what was recorded.
    """
    return _proved(document, document.path, document.sha256)


def read_e_invoice(document: EInvoicedDocument) -> bytes:
    """The XML beside a rendered document, proved and refused like it."""
    return _proved(document, document.xml_path, document.xml_sha256)


def _proved(document: RenderedDocument, path: str, recorded: str) -> bytes:
    storage = storages["documents"]
    if not path or not storage.exists(path):
        raise DamagedDocumentError(f"{document}: the file {path!r} is missing.")
    content = _read(storage, path)
    if sha256(content) != recorded:
        raise DamagedDocumentError(
            f"{document}: {path!r} is not the file that was recorded; restore it from a backup."
        )
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _part(path: str, attempt: int) -> str:
    return f"{path}.{attempt}.part"


def _read(storage: Storage, path: str) -> bytes:
    with storage.open(path, "rb") as file:
        content: bytes = file.read()
    return content


def _put(storage: Storage, path: str, content: bytes) -> None:
    storage.delete(path)
    saved = storage.save(path, ContentFile(content))
    if saved != path:
        storage.delete(saved)
        raise FileExistsError(f"{path} was written by somebody else at the same time.")


def _sync(path: Path) -> None:
    """Onto the disk, before the database says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
