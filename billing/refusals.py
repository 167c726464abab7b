"""What billing refuses to do, in words for the person who asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping


class RefusedError(ValueError):
    """Something cannot be done as asked. The message says what is wrong and what to do.

    ``field`` names the argument that it is about, where it is about one, so that a form can show
    the message there.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotAdmittedError(RefusedError):
    """What is left, or a cap, does not allow it; nothing is held and nothing bought.

    ``cap``: what of the cap that refused may be told to who asked; empty where none did.
    ``question``: how what the client is asked stands; empty where the policy is not to ask.
    """

    def __init__(
        self,
        message: str,
        *,
        cap: Mapping[str, str | None] | None = None,
        question: Mapping[str, str | None] | None = None,
    ) -> None:
        super().__init__(message)
        self.cap = dict(cap or {})
        self.question = dict(question or {})


def sent_before(done: str) -> RefusedError:
    """Of an idempotency key that did something else: forms make their own, which tells nobody
    anything. ``done``: what it did, as in "bought Small"."""
    return RefusedError(
        f"What was sent {done} when it was sent before. For something else, open the form again; "
        "a program gives each thing a key of its own."
    )


def in_words(instant: dt.datetime) -> str:
    """An instant as refusals name it: 10 March 2026, 12:00 UTC."""
    return f"{instant.astimezone(dt.UTC):%-d %B %Y, %H:%M} UTC"


def refuse_unfit_key(key: str, *, longest: int) -> None:
    """Raise RefusedError for an idempotency key that is empty or does not fit its column."""
    if not key.strip():
        raise RefusedError("A key is needed, so that asking twice does it once.")
    if len(key) > longest:
        raise RefusedError(f"A key has at most {longest} characters; this one has {len(key)}.")
