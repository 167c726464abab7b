"""How Stripe's API writes things down: form parameters with brackets, errors, lists."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass
class ApiError(Exception):
    """An answer that is an error, in Stripe's shape."""

    status: int
    type: str
    message: str
    code: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        said = {"type": self.type, "message": self.message, **self.more}
        if self.code:
            said["code"] = self.code
        return {"error": said}


def missing(what: str, row_id: str) -> ApiError:
    return ApiError(
        404,
        "invalid_request_error",
        f"No such {what}: '{row_id}'",
        "resource_missing",
        {"param": "id"},
    )


def invalid(message: str, param: str = "", code: str = "") -> ApiError:
    return ApiError(400, "invalid_request_error", message, code, {"param": param} if param else {})


def parsed(form: str) -> dict[str, Any]:
    """``a[b][0]=x`` as ``{"a": {"b": ["x"]}}``."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        *path, last = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        here = root
        for part in path:
            here = here.setdefault(part, {})
        here[last or str(len(here))] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(entry) for name, entry in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def listed(rows: list[dict[str, Any]], url: str) -> dict[str, Any]:
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def whole(params: dict[str, Any], name: str) -> int:
    try:
        return int(params[name])
    except (KeyError, ValueError):
        raise invalid(f"Invalid integer: {name}", name, "parameter_invalid_integer") from None
