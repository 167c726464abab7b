"""Filters beside the admin's lists that name only what the person may see."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from agencyportal.core.powers import powers_in
from agencyportal.core.tenancy import ScopedQuerySet

MOST_CHOICES = 200
"""A longer list is no filter: the search box finds the row."""


def visible(request: HttpRequest, model: type[models.Model]) -> models.QuerySet[Any]:
    """The rows of ``model`` that the person of this request may see in the admin.

    Rows that belong to no agency are the operator's.
    """
    powers = powers_in(request)
    rows = model._default_manager.all()
    if isinstance(rows, ScopedQuerySet):
        return rows.for_access(powers.access)
    return rows if powers.everything else rows.none()


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Django's filter by a related row, with the person's own rows as choices."""

    def field_choices(
        self,
        field: Any,
        request: HttpRequest,
        model_admin: admin.ModelAdmin[Any],
    ) -> list[tuple[str, Any]]:
        ordering = self.field_admin_ordering(field, request, model_admin)
        rows = visible(request, field.remote_field.model).order_by(*ordering)
        return [(str(row.pk), str(row)) for row in rows[:MOST_CHOICES]]


class ChoiceFilter(admin.SimpleListFilter):
    """A filter over named questions: ``questions`` is value -> (words, method of the filter).

    A subclass says ``title``, ``parameter_name`` and ``questions``, and has the methods; each
    narrows a queryset that is the person's already.
    """

    questions: dict[str, tuple[str, str]]

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[models.Model],
        model_admin: admin.ModelAdmin[Any],
    ) -> None:
        self.request = request
        super().__init__(request, params, model, model_admin)

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's
        model_admin: admin.ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _) in self.questions.items()]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's
        queryset: models.QuerySet[Any],
    ) -> models.QuerySet[Any]:
        asked = self.questions.get(self.value() or "")
        if asked is None:
            return queryset
        narrowed: models.QuerySet[Any] = getattr(self, asked[1])(queryset)
        return narrowed
