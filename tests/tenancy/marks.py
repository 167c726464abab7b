"""Marks in the texts of rows, so that a row shows on whatever page it gets to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db import connection, models

from agencyportal.core.append_only import lifted
from agencyportal.core.tenancy import ScopedQuerySet
from clients.models import Agency, Client, User

COMMON = "qz"
"""A part of every mark: what to search for to find rows of everybody."""


def mark_of(name: str) -> str:
    """What is in every text of what belongs to ``name``."""
    return f"{COMMON}{name}{COMMON}"


# Codes, addresses of files and hashes mean something to programs; a colour has no room.
UNMARKED = frozenset(
    {
        "account_number",
        "attachment_path",
        "bic",
        "body_hash",
        "brand_color",
        "card_last4",
        "cost_currency",
        "country",
        "currency",
        "expires",
        "iban",
        "key",
        "language",
        "line_kind",
        "logo",
        "password",
        "path",
        "policy",
        "postal_code",
        "prefix",
        "property_name",
        "provider_id",
        "reason_code",
        "routing_number",
        "scope_key",
        "seal",
        "secret_hash",
        "sha256",
        "tax_reason_code",
        "terms_version",
        "timezone",
        "unit_amount",
        "xml_sha256",
    }
)


def scoped_models() -> list[Any]:
    """The models whose rows lead to an agency."""
    return [
        model
        for name in ("clients", "billing", "payouts")
        for model in apps.get_app_config(name).get_models()
        if isinstance(model._default_manager.all(), ScopedQuerySet)
    ]


def mark(agency: Agency, clients: Mapping[str, Client]) -> None:
    """Put the agency's mark, and the client's where there is one, into every text of every row."""
    with lifted(reason="marking the rows of a test"):
        for model in scoped_models():
            rows = model._default_manager.for_agency(agency)
            _append(model, rows, mark_of(agency.slug))
            if model._default_manager.all().client_path is not None:
                for name, client in clients.items():
                    _append(model, rows.for_client(client), mark_of(name))
        people = User.objects.filter(agency_memberships__agency=agency)
        _append(User, people, mark_of(agency.slug))
        for name, client in clients.items():
            mine = User.objects.filter(client_memberships__client=client)
            _append(User, mine, f"{mark_of(agency.slug)} {mark_of(name)}")


def _append(model: Any, rows: Any, text: str) -> None:
    ids = list(rows.values_list("pk", flat=True))
    columns = [field for field in model._meta.concrete_fields if _is_text(field)]
    if not ids or not columns:
        return
    quote = connection.ops.quote_name
    said = ", ".join(f"{quote(f.column)} = {quote(f.column)} || %s" for f in columns)
    places = ", ".join(["%s"] * len(ids))
    values = [("-" if _has_no_spaces(f) else " ") + text for f in columns]
    table, key = quote(model._meta.db_table), quote(model._meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {said} WHERE {key} IN ({places})",  # noqa: S608 - our own names
            [*values, *ids],
        )


def _is_text(column: models.Field[Any, Any]) -> bool:
    """Whether people read it, and it has room for a mark."""
    return (
        isinstance(column, models.CharField | models.TextField)
        and not column.choices
        and column.name not in UNMARKED
        and not isinstance(column, models.EmailField)
    )


def _has_no_spaces(column: models.Field[Any, Any]) -> bool:
    return isinstance(column, models.SlugField)
