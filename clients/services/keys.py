"""Workspace keys: made, shown once, recognised by their hash, revoked."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.db.models import Q

from agencyportal.core.prepared import PreparedQuery
from clients.models import User, Workspace, WorkspaceKey

MARK: Final = "apk_"
"""How every key of ours begins, so that secret scanners and people can tell what they found."""

SECRET_BYTES: Final = 32
MIN_SECRET_LENGTH: Final = 8
MAX_SECRET_LENGTH: Final = 255
SHOWN_LENGTH: Final = 12
USE_IS_NOTED_EVERY: Final = dt.timedelta(minutes=1)


_USABLE: Final = PreparedQuery[WorkspaceKey](
    lambda slots: (
        WorkspaceKey.objects.usable(slots.instant("now"))
        .select_related("workspace__client", "workspace__agency")
        .filter(secret_hash=slots.text("secret_hash"))
        .order_by()
    )
)


def create_key(
    *,
    workspace: Workspace,
    name: str,
    scopes: Iterable[str],
    now: dt.datetime,
    secret: str | None = None,
    created_by: User | None = None,
    expires_at: dt.datetime | None = None,
) -> tuple[WorkspaceKey, str]:
    """Make a key for a workspace and return it with its text, which is not kept anywhere.

    ``secret`` fixes the text (for demos); otherwise it is random. Raises ValidationError for
    unknown scopes or none, an expiry that has passed, or a secret that is too short or in use.
    """
    plain_text = secret if secret is not None else MARK + secrets.token_urlsafe(SECRET_BYTES)
    _check_secret(plain_text)
    if expires_at is not None and expires_at <= now:
        raise ValidationError({"expires_at": "The key would already have expired."})
    key = WorkspaceKey(
        workspace=workspace,
        name=name,
        prefix=_shown(plain_text),
        secret_hash=hash_of(plain_text),
        scopes=_checked_scopes(scopes),
        created_by=created_by,
        created_at=now,
        expires_at=expires_at,
    )
    key.full_clean()
    key.save(force_insert=True)
    return key, plain_text


def authenticate(*, plain_text: str, now: dt.datetime) -> WorkspaceKey | None:
    """The usable key with this text, its workspace, client and agency loaded; else None.

    Keys have 256 random bits, so one unsalted SHA-256 is enough to look them up by. The time of
    last use is written at most once a minute: a busy key would else turn every call into a write.
    """
    if not plain_text or len(plain_text) > MAX_SECRET_LENGTH:
        return None
    key = _USABLE.first(secret_hash=hash_of(plain_text), now=now)
    if key is not None:
        _note_use(key, now)
    return key


def revoke_key(*, key: WorkspaceKey, now: dt.datetime) -> None:
    """Close a key from ``now`` on. Revoking it again leaves the first time."""
    WorkspaceKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db(fields=["revoked_at"])


def hash_of(plain_text: str) -> str:
    """SHA-256 in hex: the form in which a key is kept."""
    return hashlib.sha256(plain_text.encode("utf-8", "surrogatepass")).hexdigest()


def _note_use(key: WorkspaceKey, now: dt.datetime) -> None:
    if key.last_used_at is not None and now - key.last_used_at < USE_IS_NOTED_EVERY:
        return
    # The condition again, in the database: of many calls at once, one writes.
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_IS_NOTED_EVERY)
    if WorkspaceKey.objects.filter(stale, pk=key.pk).update(last_used_at=now):
        key.last_used_at = now


def _shown(plain_text: str) -> str:
    """The first characters, at most a third, so that a short fixed key does not show itself."""
    return plain_text[: min(SHOWN_LENGTH, len(plain_text) // 3)]


def _check_secret(plain_text: str) -> None:
    if not MIN_SECRET_LENGTH <= len(plain_text) <= MAX_SECRET_LENGTH:
        raise ValidationError(
            {"secret": f"A key has {MIN_SECRET_LENGTH} to {MAX_SECRET_LENGTH} characters."}
        )
    if not (plain_text.isascii() and plain_text.isprintable()) or " " in plain_text:
        # It travels in an HTTP header.
        raise ValidationError({"secret": "A key has only printable ASCII characters, no spaces."})


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = {str(scope) for scope in scopes}
    known = [scope.value for scope in WorkspaceKey.Scope]
    if not wanted:
        raise ValidationError({"scopes": f"Name at least one of {', '.join(known)}."})
    if unknown := sorted(wanted.difference(known)):
        raise ValidationError(
            {"scopes": f"Unknown scope {', '.join(unknown)}; known are {', '.join(known)}."}
        )
    return [scope for scope in known if scope in wanted]
