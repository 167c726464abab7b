"""System checks: what `manage.py check` holds about every model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from agencyportal.core import append_only, tenancy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.apps import AppConfig


def check_tenancy(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Every concrete model is scoped to an agency or declared a platform row."""
    chosen = apps.get_models() if app_configs is None else _models_of(app_configs)
    return [error for model in chosen for error in model_errors(model)]


def _models_of(app_configs: Sequence[AppConfig]) -> list[type[models.Model]]:
    return [model for config in app_configs for model in config.get_models()]


def model_errors(model: type[models.Model]) -> Iterator[CheckMessage]:
    """What is wrong with one model's tenancy: not declared, or a path that leads nowhere."""
    label = model._meta.label
    if (
        model._meta.proxy
        or model._meta.app_label in tenancy.PLATFORM_APPS
        or label in tenancy.platform_models()
    ):
        return
    queryset = model._default_manager.all()
    if not isinstance(queryset, tenancy.ScopedQuerySet):
        yield Error(
            f"{label} leads to no agency.",
            hint=(
                "Give it a manager from a ScopedQuerySet with an agency_path, or declare it with "
                "@platform_row(reason) (agencyportal.core.tenancy)."
            ),
            obj=model,
            id="core.E001",
        )
        return
    for name in ("agency_path", "client_path"):
        path = getattr(queryset, name, None)
        if path is None and name == "client_path":
            continue
        if path is None or not leads_to_one(model, path):
            yield Error(
                f"{label}: {name} {path!r} does not follow foreign keys to one row.",
                hint="Join single-valued relations with '__'; the tenant's own model says 'pk'.",
                obj=model,
                id="core.E002",
            )


def leads_to_one(model: type[models.Model], path: str) -> bool:
    """Whether ``path`` follows existing relations, each to one row (so that no row repeats)."""
    if path == tenancy.OWN_ROW:
        return True
    current: Any = model
    for part in path.split("__"):
        try:
            field = current._meta.get_field(part)
        except FieldDoesNotExist:
            return False
        if not (field.many_to_one or field.one_to_one):
            return False
        current = field.related_model
    return True


def check_append_only(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Every AppendOnlyModel is declared, so that the database holds it as well."""
    chosen = apps.get_models() if app_configs is None else _models_of(app_configs)
    return [
        Error(
            f"{model._meta.label} is an AppendOnlyModel that nobody protects.",
            hint="Declare it with protect() in its app's append_only module.",
            obj=model,
            id="core.E003",
        )
        for model in chosen
        if issubclass(model, append_only.AppendOnlyModel)
        and append_only.protection_of(model) is None
    ]
