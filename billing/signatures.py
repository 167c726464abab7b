"""Signatures of webhooks, as Standard Webhooks 1.0 has them (symmetric, ``v1``). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret(random: bytes) -> str:
    """A secret as people copy it, of random bytes."""
    return PREFIX + base64.b64encode(random).decode()


def headers_of(
    *, message_id: str, at: datetime, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """The three headers of one attempt at ``at``; a signature for each secret that is valid."""
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            signature(message_id=message_id, timestamp=timestamp, body=body, secret=secret)
            for secret in secrets
        ),
    }


def signature(*, message_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``. Raises ValueError for a
    secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("A signing secret is whsec_ and base64.") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
