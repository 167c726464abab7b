"""How an agency's messages look: what `templates/mail/base.html` is given."""

from __future__ import annotations

from typing import Any

from agencyportal.core.colours import readable_on_white
from agencyportal.core.formats import Formats
from clients.models import Agency


def letterhead(agency: Agency, formats: Formats, *, answers: bool = True) -> dict[str, Any]:
    """The frame of a message in an agency's name, to a reader with these formats.

    ``answers``: whether the agency answers questions about it; its own people ask nobody. The
    colour is dark enough to be read on white, and to carry white words. The logo is a part of the
    message, named by its hash: `mailing` puts it in.
    """
    return {
        "agency": agency.name,
        "colour": readable_on_white(agency.brand_color),
        "logo": f"cid:{agency.logo}" if agency.logo else "",
        "contact": agency.email if answers else "",
        "language": formats.bcp47,
    }
