"""Languages to choose from: those that documents and messages are translated into."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from agencyportal.core.admin import ScopedModelAdmin


class InLanguagesAdmin(ScopedModelAdmin):
    """Of somebody who is written to: in one of our languages."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "language":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return forms.ChoiceField(
            choices=settings.LANGUAGES,
            initial=db_field.default,
            help_text=db_field.help_text,
            widget=UnfoldAdminSelectWidget,
        )
