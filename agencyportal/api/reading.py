"""What calls bring along: a JSON body, and the key that makes a call repeatable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from agencyportal.core.problems import Problem, ProblemError


class BodyParser(JSONParser):
    """DRF's own, which does not foresee texts nested more deeply than Python reads."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ProblemError(Problem(400, "Nested too deeply.")) from None


def idempotency_key(request: Request, *, longest: int) -> str | None:
    """The header's key; None without one. Raises ProblemError for one that is empty, too long, or
    cannot be stored (PostgreSQL knows no NUL)."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key.strip() or len(key) > longest or not key.isprintable():
        detail = f"An Idempotency-Key has 1 to {longest} characters, all of them printable."
        raise ProblemError(Problem(400, detail))
    return key
