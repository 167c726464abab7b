"""What each person gets at each address, worked out from the registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.urls import reverse

from agencyportal.core.tenancy import OWN_ROW
from tests.tenancy.addresses import admin_stem
from tests.tenancy.cast import Person, Scene
from tests.tenancy.marks import scoped_models
from tests.tenancy.registry import ADMIN, AGENCY, ANONYMOUS, CLIENTS, OPERATOR, PAGES, Names, Page
from tests.tenancy.worlds import World


@dataclass(frozen=True)
class Stop:
    """An address on the way, with what one person gets there, and what for sending a form."""

    url: str
    gets: int
    posts: frozenset[int] = frozenset()
    """Empty: the form is theirs to send, or none is sent in the crawl."""


def stops(scene: Scene, person: Person) -> Iterator[Stop]:
    yield from _of_pages(scene, person)
    for label in ADMIN:
        yield from _of_model(scene, person, label)
    nothing = 302 if person.role == ANONYMOUS else 404
    yield Stop("/admin/nothing/here/", nothing, frozenset({nothing}))


# --- Pages -------------------------------------------------------------------------------------


def _of_pages(scene: Scene, person: Person) -> Iterator[Stop]:
    for name, page in PAGES.items():
        for client, deployment in scene.deployments.items():
            is_own = person.client == client or not page.is_of_client()
            args = page.args(deployment) if page.args is not None else ()
            gets = _page(person, page, is_own)
            yield Stop(reverse(name, args=args), gets, _form(person, page, is_own))
            if page.args is None:
                break


def _page(person: Person, page: Page, is_own: bool) -> int:
    if person.role in page.who and is_own:
        return page.status
    return page.stranger if person.role == ANONYMOUS else page.others


def _form(person: Person, page: Page, is_own: bool) -> frozenset[int]:
    is_in = person.role in page.who and is_own
    if page.posts is None or (is_in and person.role in page.posts):
        return frozenset()
    if is_in:
        return frozenset({page.refused})
    gets = _page(person, page, is_own)
    # Where nobody may send anything, who may not look need not be told so.
    return frozenset({gets}) if page.is_of_client() else frozenset({gets, 405})


# --- The admin ---------------------------------------------------------------------------------


def _of_model(scene: Scene, person: Person, label: str) -> Iterator[Stop]:
    rights, stem = ADMIN[label], admin_stem(label)
    is_scoped = apps.get_model(label) in scoped_models()

    def stop(view: str, who: Names, row: Any = None, *, is_own: bool = True) -> Stop:
        gets = _in_admin(person, rights.reads, who, is_own)
        posts = frozenset() if gets == 200 else frozenset({gets})
        args = () if row is None else (row.pk,)
        return Stop(reverse(f"admin:{stem}_{view}", args=args), gets, posts)

    yield stop("changelist", rights.reads)
    yield stop("add", rights.adds)
    for name, world in scene.worlds.items():
        if person.role not in AGENCY and world is scene.harbor:
            continue  # whose rows they are makes no difference to who sees all of them, or none
        is_own = not is_scoped or person.role == OPERATOR or person.agency == name
        row = row_of(label, world, dict(rights.row))
        yield Stop(f"/admin/{stem.replace('_', '/', 1)}/{row.pk}/", _short(person))
        yield stop("history", rights.reads, row, is_own=is_own)
        yield stop("delete", rights.deletes, row, is_own=is_own)
        for slug, who in rights.dialogs:
            yield stop(slug, who, row, is_own=is_own)
        for slug, only in rights.views:
            view = stop(slug, rights.reads, row_of(label, world, only), is_own=is_own)
            # These only read, and say so to whom there is something to read.
            yield Stop(view.url, view.gets, view.posts or frozenset({405}))
        may_look = stop("change", rights.reads, row, is_own=is_own)
        yield Stop(
            may_look.url, may_look.gets, stop("change", rights.changes, row, is_own=is_own).posts
        )


def row_of(label: str, world: World, only: dict[str, Any]) -> Any:
    """A row of the agency, of its first client where rows are a client's."""
    model: Any = apps.get_model(label)
    rows = model._default_manager.all()
    if model in scoped_models():
        rows = rows.for_agency(world.agency)
        if rows.client_path not in (None, OWN_ROW):
            rows = rows.for_client(world.first.client)
    return rows.filter(**only).order_by("pk")[0]


def _in_admin(person: Person, reads: Names, who: Names, is_own: bool) -> int:
    if person.role == ANONYMOUS:
        return 302
    if person.role in CLIENTS or person.role not in reads or not is_own:
        return 404
    return 200 if person.role in who else 403


def _short(person: Person) -> int:
    """A row's short address leads to its page, which then is there or not."""
    return 404 if person.role in CLIENTS else 302
