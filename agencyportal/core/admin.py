"""What every ModelAdmin of the portal stands on: rows by tenancy, powers by role, history by log.

No row of Django's permissions is looked at. What somebody sees is what their agencies own
(`core.tenancy`), what they may do follows from their role there (`core.powers`), and rows of
others are not there: 404, as for rows that never were.

An app's ``admin`` package registers its models with ``django.contrib.admin.register``. What an
app above has to say on the page of a model below is added with `extend`, so that imports keep
running one way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NoReturn

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.contrib.admin.utils import unquote
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe
from unfold.admin import ModelAdmin, TabularInline

from agencyportal.core.admin_autocomplete import RowAutocomplete
from agencyportal.core.admin_columns import LABELS, Column, column, opening
from agencyportal.core.admin_dialogs import Dialog, DialogView, button
from agencyportal.core.admin_filters import ScopedRelatedFilter, visible
from agencyportal.core.powers import Power, powers_in
from agencyportal.core.tenancy import ScopedQuerySet, agency_id_of

AGENCY = "agency"
NEVER: Power | None = None


class _Extensions:
    """What apps above add to the page of a model below."""

    def __init__(self) -> None:
        self.inlines: list[type[TabularInline]] = []
        self.dialogs: list[type[Dialog]] = []
        self.panels: list[Any] = []


_extensions: dict[type[models.Model], _Extensions] = defaultdict(_Extensions)


def extend(
    model: type[models.Model],
    *,
    inlines: Iterable[type[TabularInline]] = (),
    dialogs: Iterable[type[Dialog]] = (),
    panels: Iterable[Any] = (),
) -> None:
    """Add tabs, dialogs and panels to the page of a model that an app below registers.

    A panel is called with the request and the row, and answers with HTML to show above the page's
    fields, or with nothing.
    """
    found = _extensions[model]
    found.inlines += [inline for inline in inlines if inline not in found.inlines]
    found.dialogs += [dialog for dialog in dialogs if dialog not in found.dialogs]
    found.panels += [panel for panel in panels if panel not in found.panels]


class ScopedForm(forms.ModelForm):
    """Refuses what would join rows of two agencies, for those who see both."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        agencies = {name: found for name, found in self._agencies(cleaned) if found is not None}
        first = next(iter(agencies.values()), None)
        for name, agency_id in agencies.items():
            if agency_id != first:
                self.add_error(name, "This belongs to another agency.")
        return cleaned

    def _agencies(self, cleaned: dict[str, Any]) -> Iterable[tuple[str, int | None]]:
        if self.instance.pk is not None:
            yield "", agency_id_of(self.instance)
        for name, value in cleaned.items():
            if isinstance(value, models.Model):
                yield name, agency_id_of(value)


class Scoped:
    """Rows and powers, for pages and for the tables on them."""

    model: type[models.Model]
    admin_site: Any

    add_power: ClassVar[Power | None] = NEVER
    change_power: ClassVar[Power | None] = NEVER
    delete_power: ClassVar[Power | None] = NEVER

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        if isinstance(rows, ScopedQuerySet):
            return rows.for_access(powers_in(request).access)
        return rows if powers_in(request).everything else rows.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request, Power.READ)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, Power.READ, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.add_power, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.change_power, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, self.delete_power, obj)

    def _may(self, request: HttpRequest, power: Power | None, obj: Any = None) -> bool:
        powers = powers_in(request)
        if power is None:
            return False
        if not issubclass(type(self.model._default_manager.all()), ScopedQuerySet):
            return powers.everything
        if isinstance(obj, models.Model) and obj.pk is not None:
            return powers.may(power, agency_id_of(obj))
        return powers.anywhere(power)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField | None:
        kwargs.setdefault("queryset", visible(request, db_field.remote_field.model))
        if db_field.name == AGENCY and powers_in(request).only_agency is not None:
            kwargs["empty_label"] = None
            kwargs["initial"] = powers_in(request).only_agency
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            kwargs.setdefault("widget", RowAutocomplete(db_field, self.admin_site))
        field: forms.ModelChoiceField | None = super().formfield_for_foreignkey(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        if field is not None and kwargs.get("empty_label", "") is None:
            field.empty_label = None
        return field


class ScopedInline(Scoped, TabularInline):  # type: ignore[misc]  # untyped base
    """A table of related rows on a page: read-only, a page at a time, with links to its rows."""

    extra = 0
    can_delete = False
    show_change_link = True
    per_page = 10
    tab = True
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """In some order always, or the table's pages would shuffle rows."""
        rows = super().get_queryset(request)
        return rows if rows.ordered else rows.order_by("pk")

    def has_view_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Any = None,  # noqa: ARG002
    ) -> bool:
        return True  # the page's row is the person's, and so are the rows that hang on it

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        first, *others = [column(self.model, name) for name in super().get_fields(request, obj)]
        if self.show_change_link and self.has_registered_model:
            first = opening(self.model, first)
        return [first, *others]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)


class ScopedModelAdmin(Scoped, ModelAdmin):  # type: ignore[misc]  # untyped base
    """A model's pages, for whoever may see them. Nothing may be written unless a power says so."""

    form = ScopedForm
    actions = None
    compressed_fields = True
    list_per_page = 50
    show_full_result_count = False
    empty_value_display = "–"
    dialogs: ClassVar[tuple[type[Dialog], ...]] = ()
    change_form_before_template = "admin/panels.html"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in LABELS:
            kwargs.setdefault("label", LABELS[db_field.name])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # -- lists ----------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        names = super().get_list_display(request)
        return [column(self.model, name) for name in self._without_agency(request, names)]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filters by related rows name the person's own rows only."""
        names = self._without_agency(request, super().get_list_filter(request))
        return [(n, ScopedRelatedFilter) if self._is_relation(n) else n for n in names]

    def get_ordering(self, request: HttpRequest) -> Sequence[Any]:
        """Always some order: who pages through rows, or through choices, sees each of them once."""
        return super().get_ordering(request) or self.opts.ordering or ("pk",)

    def _without_agency(self, request: HttpRequest, names: Sequence[Any]) -> list[Any]:
        """Who sees one agency need not be told its name in every line."""
        hidden = AGENCY if powers_in(request).only_agency is not None else None
        return [name for name in names if name != hidden]

    def _is_relation(self, name: Any) -> bool:
        if not isinstance(name, str):
            return False
        model: Any = self.model
        for part in name.split("__"):
            try:
                field = model._meta.get_field(part)
            except FieldDoesNotExist:
                return False
            model = field.related_model
        return bool(field.is_relation)

    # -- pages of one row -----------------------------------------------------------------------

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        if obj is None:
            return []
        return [*super().get_inlines(request, obj), *_extensions[self.model].inlines]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        plain = obj is not None and not self.has_change_permission(request, obj)
        fixed = None if plain else set(filter(_is_name, self._fixed(request, obj)))
        return [
            (title, {**options, "fields": self._shown(options["fields"], fixed)})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [column(self.model, name) for name in self._fixed(request, obj)]

    def _fixed(self, request: HttpRequest, obj: Any) -> list[Any]:
        return list(super().get_readonly_fields(request, obj))

    def _shown(self, names: Iterable[Any], fixed: set[str] | None) -> list[Any]:
        """The names of a fieldset, with numbers as people write them where they cannot change."""
        shown: list[Any] = []
        for name in names:
            if isinstance(name, list | tuple):
                shown.append(tuple(self._shown(name, fixed)))
            else:
                shown.append(column(self.model, name) if fixed is None or name in fixed else name)
        return shown

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        power = self.change_power if change else self.add_power
        if power is None or not powers_in(request).may(power, agency_id_of(obj)):
            raise PermissionDenied
        self.write(request, obj, form, change)

    def write(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Put a form's row into the database; for models whose services do it otherwise."""
        super().save_model(request, obj, form, change)

    # -- what is not there ----------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self._refuse_outsiders(request)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        self._refuse_outsiders(request, object_id)
        response: HttpResponse = super().changeform_view(request, object_id, *args, **kwargs)
        return response

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        self._refuse_outsiders(request, object_id)
        response: HttpResponse = super().delete_view(request, object_id, *args)
        return response

    def history_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        self._refuse_outsiders(request, object_id)
        response: HttpResponse = super().history_view(request, object_id, *args)
        return response

    def _refuse_outsiders(self, request: HttpRequest, object_id: str | None = None) -> None:
        """What somebody may not see is not there, before it is asked what they may do.

        Rows of the platform are not there for anybody but the operator.
        """
        if not self.has_module_permission(request):
            raise Http404
        if object_id is not None and self.get_object(request, unquote(object_id)) is None:
            raise Http404

    def _get_obj_does_not_exist_redirect(self, *_args: Any) -> NoReturn:
        """Django would send to the home page and say so; we answer as for any unknown address."""
        raise Http404

    # -- dialogs --------------------------------------------------------------------------------

    def all_dialogs(self) -> list[type[Dialog]]:
        return [*self.dialogs, *_extensions[self.model].dialogs]

    def get_urls(self) -> list[URLPattern]:
        dialogs = [
            path(
                f"<path:object_id>/{dialog.slug}/",
                self.admin_site.admin_view(DialogView(self, dialog).__call__),
                name=self._url_name(dialog.slug),
            )
            for dialog in self.all_dialogs()
        ]
        return [*dialogs, *self.more_urls(), *super().get_urls()]

    def more_urls(self) -> list[URLPattern]:
        """Further views on rows, each wrapped in ``self.admin_site.admin_view``."""
        return []

    def reading(
        self, show: Callable[[HttpRequest, Any], HttpResponse]
    ) -> Callable[[HttpRequest, str], HttpResponse]:
        """A view that shows something of a row. The row is looked for first: to others it says
        404, whatever they send."""

        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            row = self.get_object(request, unquote(object_id))
            if row is None:
                raise Http404
            shown: HttpResponse = require_safe(show)(request, row)
            return shown

        return view

    def _url_name(self, slug: str) -> str:
        meta = self.model._meta
        return f"{meta.app_label}_{meta.model_name}_{slug.replace('-', '_')}"

    def url(self, slug: str, row: models.Model) -> str:
        """The address of a dialog or view on a row."""
        return reverse(f"{self.admin_site.name}:{self._url_name(slug)}", args=(row.pk,))

    def links(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: Any,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """Links in the header of a row's page that only read."""
        return []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            offered = [
                button(dialog, self.url(dialog.slug, row))
                for dialog in self.all_dialogs()
                if dialog.is_allowed(request, row) and dialog(request, row).is_offered()
            ]
            context["actions_detail"] = [*self.links(request, row), *offered]
            panels = (panel(request, row) for panel in _extensions[self.model].panels)
            context["panels"] = [panel for panel in panels if panel]
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def has_been_noted(self, row: models.Model, reference: str) -> bool:
        """Whether the history of ``row`` has an entry with this reference."""
        return LogEntry.objects.filter(
            content_type=get_content_type_for_model(row),
            object_id=str(row.pk),
            action_flag=CHANGE,
            change_message__endswith=reference,
        ).exists()


class ReadOnlyAdmin(ScopedModelAdmin):
    """Rows that are written by services alone: readable, and never a form."""


def _is_name(name: Column) -> bool:
    return isinstance(name, str)


__all__ = [
    "ReadOnlyAdmin",
    "ScopedForm",
    "ScopedInline",
    "ScopedModelAdmin",
    "extend",
]
