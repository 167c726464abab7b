"""What a page says, without its mark-up."""

from __future__ import annotations

import html
import re
from typing import Any


def text_of(response: Any) -> str:
    """The visible words of a page's body, spaces folded."""
    body = response.content.decode().partition("<body")[2]
    words = html.unescape(re.sub(r"<[^>]*>", " ", body)).replace("\xa0", " ")
    return re.sub(r"\s+([.,?])", r"\1", re.sub(r"\s+", " ", words))
