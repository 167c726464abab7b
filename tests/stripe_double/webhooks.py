"""Events as Stripe posts them: a body, and a signature over it and the time."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any


def signed(
    event: dict[str, Any], secret: str, *, at: float | None = None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers. ``at``: when it was signed, now unless said; Stripe signs every try."""
    body = json.dumps(event, indent=2).encode()
    moment = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return body, {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": f"t={moment},v1={mac.hexdigest()},v0=0000",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
