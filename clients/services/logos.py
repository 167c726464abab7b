"""The logo on an agency's documents: taken over from an upload, or taken away."""

from __future__ import annotations

from agencyportal.core.logos import store_logo
from clients.logo_images import printable_logo
from clients.models import Agency


def set_logo(*, agency: Agency, content: bytes) -> None:
    """Print this picture on what is issued from now on; commits nothing but the agency's column.

    Raises LogoError for a picture that cannot be one.
    """
    # The file first: a row that names it finds it.
    agency.logo = store_logo(printable_logo(content))
    agency.save(update_fields=["logo"])


def remove_logo(*, agency: Agency) -> None:
    """Print the agency's name again. Documents that were issued with the logo keep it."""
    agency.logo = ""
    agency.save(update_fields=["logo"])
