"""One page out of many rows."""

from __future__ import annotations

from typing import TypeVar

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

PER_PAGE = 25

_M = TypeVar("_M", bound=Model)


def page_of(request: HttpRequest, rows: QuerySet[_M], per_page: int = PER_PAGE) -> Page[_M]:
    """The page that `?page=` names; the nearest one where there is no such page."""
    return Paginator(rows, per_page).get_page(request.GET.get("page"))
