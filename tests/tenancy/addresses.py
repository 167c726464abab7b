"""Every address of the project, as the URLconf says."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from tests.tenancy.registry import ADMIN, CALLS, PAGES, UNNAMED

OF_EVERY_MODEL = ("changelist", "add", "change", "delete", "history")


def addresses(
    resolver: URLResolver | None = None, path: str = "", space: str = ""
) -> Iterator[tuple[str, str]]:
    """(name with its namespaces, or empty; pattern) of each."""
    for pattern in (resolver or get_resolver()).url_patterns:
        here = path + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield (f"{space}{pattern.name}" if pattern.name else "", here)
        else:
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from addresses(pattern, here, inner)


def actual() -> set[str]:
    """The name of each address, or its pattern where it has none."""
    return {name or pattern for name, pattern in addresses()}


def registered() -> set[str]:
    found = {*PAGES, *CALLS, *UNNAMED}
    for label, rights in ADMIN.items():
        stem = admin_stem(label)
        views = [*OF_EVERY_MODEL, *(slug for slug, _ in (*rights.dialogs, *rights.views))]
        found |= {f"admin:{stem}_{view}" for view in views}
        found.add(f"admin/{stem.replace('_', '/', 1)}/<path:object_id>/")
    return found


def admin_stem(label: str) -> str:
    return label.lower().replace(".", "_")
