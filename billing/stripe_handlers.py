"""What is done about Stripe's events: a registry. Whoever cares about a type adds a handler.

Events come late, twice, in any order, and some never. So a handler takes an event as a hint that
something happened to an object: it reads from Stripe how that object stands *now* and brings our
rows to it. Done twice, or after a later event, it then changes nothing. It owns its transactions
and calls Stripe outside of them; what it raises is tried again later, with growing pauses.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from billing.models import StripeEvent


class Handler(Protocol):
    """Does something about an event; says in words what, or nothing where it was not about it."""

    def __call__(self, event: StripeEvent, *, now: dt.datetime) -> str: ...


_handlers: dict[str, list[Handler]] = {}


def handles(*types: str) -> Callable[[Handler], Handler]:
    """Decorator: call this for events of these types. In the order in which handlers are added."""

    def register(handler: Handler) -> Handler:
        for name in types:
            mine = _handlers.setdefault(name, [])
            if handler not in mine:
                mine.append(handler)
        return handler

    return register


def handlers_of(type_: str) -> list[Handler]:
    """Who cares about events of a type; nobody, for most."""
    return list(_handlers.get(type_, ()))


def handled_types() -> list[str]:
    """What Stripe has to send: every type that somebody handles."""
    return sorted(_handlers)
