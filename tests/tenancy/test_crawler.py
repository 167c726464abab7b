"""Everybody goes everywhere: each address as each member of the cast.

Outsiders find nothing and change nothing, and no page shows a row of somebody else's. What there
is, and whose it is, is in the registry; an address that it does not know fails here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import cache
from django.db import models, transaction
from django.forms import ModelChoiceField
from django.template.response import SimpleTemplateResponse
from django.test import Client as Browser
from django.test import RequestFactory, override_settings
from django.urls import reverse

from billing.models import Reservation
from clients.models import UsageEvent, UsageUnit
from tests.everything import changes, everything
from tests.tenancy.addresses import actual, admin_stem, registered
from tests.tenancy.cast import CAST, OFFICE, Person, Scene, set_scene
from tests.tenancy.marks import COMMON, scoped_models
from tests.tenancy.registry import ACTIONS, ACTS, ADMIN, AGENCY, CALLS, CLIENTS, OWNER, PAGES, Call
from tests.tenancy.stops import stops
from tests.tenancy.worlds import Deployment, World

FORM = {"post": "yes", "_save": "Save", "key": "0b0c9ad5-3a14-4d5f-9a27-2f1a4f3f5f10"}
"""What is sent as a form: enough to confirm what only asks to be confirmed."""

everybody = pytest.mark.parametrize("person", CAST, ids=str)
agency_people = pytest.mark.parametrize("person", OFFICE, ids=str)
clients_people = pytest.mark.parametrize(
    "person", [person for person in CAST if person.role in CLIENTS], ids=str
)


@pytest.fixture(scope="module")
def told(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Told once for all tests of this module."""
    from django.conf import settings

    folder = tmp_path_factory.mktemp("documents")
    stored: Any = settings.STORAGES["documents"]
    documents = {**stored, "OPTIONS": {"location": folder}}
    with (
        override_settings(STORAGES={**settings.STORAGES, "documents": documents}),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        yield set_scene()
        transaction.set_rollback(True)


@pytest.fixture
def scene(told: Scene, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The scene; whatever a test does to it is undone."""
    cache.clear()  # it outlives tests, and answers of the admin's search are in it
    # Of ten thousand answers: no query for each one's session, no line in the log for each 404.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)
    return told


# --- The registry is whole ---------------------------------------------------------------------


def test_every_address_is_registered() -> None:
    unknown, gone = sorted(actual() - registered()), sorted(registered() - actual())
    assert not unknown, "tests/tenancy/registry.py does not say who may see these"
    assert not gone, "these are registered and no more there"


def test_every_model_of_the_admin_is_registered() -> None:
    assert {model._meta.label for model in admin.site._registry} == set(ADMIN)


@agency_people
def test_every_action_on_a_list_is_registered(scene: Scene, person: Person) -> None:
    request = RequestFactory().get("/")
    request.user = scene.user(person)
    offered = {
        f"{model._meta.label}.{name}"
        for model, model_admin in admin.site._registry.items()
        for name in model_admin.get_actions(request)
    }
    assert offered == {name for name, who in ACTIONS.items() if person.role in who}


def test_both_agencies_have_rows_of_every_model(scene: Scene) -> None:
    for world in scene.worlds.values():
        for model in scoped_models():
            assert model._default_manager.for_agency(world.agency).exists(), model


# --- Addresses ---------------------------------------------------------------------------------


@pytest.fixture
def readable_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview's PDF as its data in words, in which marks can be seen."""
    render = "billing.admin.invoices.render_invoice_pdf"
    monkeypatch.setattr(render, lambda snapshot: str(snapshot).encode())


@everybody
@pytest.mark.usefixtures("readable_previews")
def test_everybody_finds_what_is_theirs_and_nothing_else(
    scene: Scene, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    if person.role in AGENCY - {OWNER}:
        # They see the rows that the owner sees; whether a page is there shows without drawing it.
        monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
        monkeypatch.setattr(admin.site, "each_context", lambda request: {})
    browser, foreign = scene.browser(person), scene.foreign_marks(person)
    surprises, shown = [], 0
    for stop in stops(scene, person):
        response = browser.get(stop.url)
        if response.status_code != stop.gets:
            surprises.append(f"{stop.url}: {response.status_code} and not {stop.gets}")
        body = text_of(response)
        surprises += [f"{stop.url} shows {mark}" for mark in foreign if mark in body]
        shown += COMMON in body
    assert not surprises, "\n".join(surprises)
    assert shown >= LEAST_PAGES_WITH_ROWS.get(person.role, 0), "rows are not marked"


LEAST_PAGES_WITH_ROWS = {"operator": 100, OWNER: 80, "client admin": 10}
"""How many pages show marks to people: none would prove nothing."""


@everybody
def test_nobody_changes_what_is_not_theirs(scene: Scene, person: Person) -> None:
    browser = scene.browser(person)
    surprises = []
    with unchanged():
        for stop in stops(scene, person):
            if stop.posts:
                response = browser.post(stop.url, FORM)
                if response.status_code not in stop.posts:
                    surprises.append(f"{stop.url}: {response.status_code}, not {set(stop.posts)}")
    assert not surprises, "\n".join(surprises)


# --- Choices -----------------------------------------------------------------------------------


@agency_people
def test_autocompletes_offer_ones_own_rows(scene: Scene, person: Person) -> None:
    """For every foreign key between models of the admin, whether a form asks for it or not."""
    browser, foreign = scene.browser(person), scene.foreign_marks(person)
    offering = set()
    for model in admin.site._registry:
        for key in _foreign_keys(model):
            asked = {
                "app_label": model._meta.app_label,
                "model_name": model._meta.model_name,
                "field_name": key.name,
                "term": COMMON,
            }
            response = browser.get(reverse("admin:autocomplete"), asked)
            assert response.status_code in (200, 403, 404), asked
            assert not [mark for mark in foreign if mark in text_of(response)], asked
            if response.status_code == 200 and response.json()["results"]:
                offering.add(key.related_model._meta.label)
    assert offering >= {"clients.Client", "clients.Workspace", "billing.Invoice"}


@agency_people
def test_searching_finds_ones_own_rows(scene: Scene, person: Person) -> None:
    browser, foreign = scene.browser(person), scene.foreign_marks(person)
    found = text_of(browser.get(reverse("admin:search"), {"s": COMMON, "extended": "1"}))
    assert COMMON in found
    assert not [mark for mark in foreign if mark in found]


@pytest.mark.parametrize("person", [p for p in OFFICE if p.role == OWNER], ids=str)
def test_lists_searched_and_filtered_show_ones_own_rows(scene: Scene, person: Person) -> None:
    """Also where the address names a row of the other agency as filter."""
    browser, foreign = scene.browser(person), scene.foreign_marks(person)
    for model, model_admin in admin.site._registry.items():
        url = reverse(f"admin:{admin_stem(model._meta.label)}_changelist")
        theirs = {
            f"{key.name}__id__exact": str(rows[0].pk)
            for key in _foreign_keys(model)
            if key.name in model_admin.list_filter
            and (rows := _rows_of(key.related_model, scene.other(person))) is not None
        }
        for query in ({"q": COMMON} if model_admin.search_fields else {}, theirs):
            if query:
                response = browser.get(url, query)
                assert response.status_code in (200, 302, 404), (url, query)
                assert not [mark for mark in foreign if mark in text_of(response)], (url, query)


@agency_people
def test_forms_refuse_rows_of_another_agency(scene: Scene, person: Person) -> None:
    """Every choice of a row, on every form, answered with a row of the other agency."""
    browser, other = scene.browser(person), scene.other(person)
    asked = 0
    with unchanged():
        for label, rights in ADMIN.items():
            if person.role not in rights.adds:
                continue
            url = reverse(f"admin:{admin_stem(label)}_add")
            chosen = {
                name: _rows_of(field.queryset.model, other)[0].pk
                for name, field in browser.get(url).context["adminform"].form.fields.items()
                if isinstance(field, ModelChoiceField)
            }
            response = browser.post(url, chosen)
            assert response.status_code == 200, url
            assert set(chosen) <= set(response.context["adminform"].form.errors), url
            asked += len(chosen)
    assert asked >= (8 if person.role in ACTS else 0)


@agency_people
def test_dialogs_refuse_choices_of_another_agency(scene: Scene, person: Person) -> None:
    browser, other = scene.browser(person), scene.other(person).first
    mine = scene.worlds[person.agency].first
    unit, band = _unit_and_band(other)
    answers = {
        "top_up": {"band": f"{mine.workspace.pk}:{band}"},
        "adjust": {"unit": f"{mine.workspace.pk}:{unit.pk}", "quantity": "5", "reason": "mine"},
    }
    refused = 200 if person.role in ACTS else 403
    with unchanged():
        for name, answer in answers.items():
            for stem, row in (("client", mine.client), ("workspace", mine.workspace)):
                url = reverse(f"admin:clients_{stem}_{name}", args=(row.pk,))
                for space in (mine.workspace, other.workspace):
                    field = "band" if name == "top_up" else "unit"
                    chosen = f"{space.pk}:{answer[field].partition(':')[2]}"
                    response = browser.post(url, {**FORM, **answer, field: chosen})
                    assert response.status_code == refused, url


@clients_people
def test_ones_own_address_with_rows_of_others_is_not_there(scene: Scene, person: Person) -> None:
    """`/portal/<mine>/invoices/<theirs>/`, and so on for every kind of row."""
    browser, mine = scene.browser(person), scene.deployments[person.client]
    tried = 0
    with unchanged():
        for name, page in PAGES.items():
            for client, other in scene.deployments.items():
                if client == person.client or not page.is_of_client() or page.args is None:
                    continue
                _, *rows = page.args(other)
                if rows:
                    url = reverse(name, args=(mine.client.pk, *rows))
                    assert browser.get(url).status_code == 404, url
                    assert browser.post(url, FORM).status_code in (404, 405), url
                    tried += 1
    assert tried >= 16


# --- The API -----------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["acme", "birch", "cedar"])
def test_a_key_opens_its_own_workspace_alone(scene: Scene, client: str) -> None:
    mine = scene.deployments[client]
    foreign = scene.foreign_marks(Person("program", mine.client.agency.slug, client))
    for name, call in CALLS.items():
        url, body = _call(name, call, mine)
        response = _send(call, url, body, key=mine.key)
        assert response.status_code in (200, 201), (url, response.content)
        assert not [mark for mark in foreign if mark in text_of(response)], url


@pytest.mark.parametrize("client", ["acme", "birch", "cedar"])
def test_a_key_finds_nothing_of_others(scene: Scene, client: str) -> None:
    """Addresses with a row of others are not there; bodies with a unit of theirs are refused."""
    mine = scene.deployments[client]
    with unchanged(but=("clients.WorkspaceKey",)):  # which notes when it was used last
        for name, call in CALLS.items():
            for other in scene.deployments.values():
                if other is mine:
                    continue
                url, body = _call(name, call, other)
                is_theirs = call.row or (
                    (body or call.query) and other.client.agency != mine.client.agency
                )
                if is_theirs:
                    response = _send(call, url, body, key=mine.key)
                    assert response.status_code == (404 if call.row else 400), url


def test_without_a_key_there_is_nothing(scene: Scene) -> None:
    """Nor with a wrong one, nor for people who are signed in."""
    mine = scene.deployments["acme"]
    signed_in = [scene.browser(person) for person in CAST]
    with unchanged():
        for name, call in CALLS.items():
            url, body = _call(name, call, mine)
            expected = 200 if call.is_public else 401
            for browser in signed_in:
                assert _send(call, url, body, browser=browser).status_code == expected, url
            for key in ("", "no-key", mine.key[:-1], f"{mine.key}x"):
                response = _send(call, url, body, key=key)
                assert response.status_code == expected, url
                assert COMMON not in text_of(response), url


def _call(name: str, call: Call, deployment: Deployment) -> tuple[str, Any]:
    args: tuple[Any, ...] = ()
    if call.row:
        held = Reservation.objects.open().filter(workspace=deployment.workspace)
        args = (held.order_by("pk")[0].public_id,)
    unit, _ = _unit_and_band(deployment)
    event = UsageEvent.objects.filter(workspace=deployment.workspace).order_by("pk")[0]
    names = {"{unit}": unit.slug, "{event}": event.external_id, "{source}": event.source}
    body = {key: names.get(value, value) for key, value in (call.body or {}).items()}
    query = f"?{call.query.replace('{unit}', unit.slug)}" if call.query else ""
    return reverse(name, args=args) + query, body


def _send(call: Call, url: str, body: Any, *, key: str = "", browser: Browser | None = None) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    given = {"data": body, "content_type": "application/json"} if call.method == "post" else {}
    return getattr(browser or Browser(), call.method)(url, headers=headers, **given)


# --- Words -------------------------------------------------------------------------------------


@contextmanager
def unchanged(but: tuple[str, ...] = ()) -> Iterator[None]:
    """Every row and file is the same afterwards, but sessions and what is named. Of dj-stripe's
    tables there are few in tests, and none that people could reach."""
    others = {"sessions", "djstripe"}
    labels = [config.label for config in apps.get_app_configs() if config.label not in others]
    before = everything(labels)
    yield
    assert [name for name in changes(before, everything(labels)) if name not in but] == []


def _foreign_keys(model: type[models.Model]) -> list[Any]:
    return [
        key
        for key in model._meta.get_fields()
        if isinstance(key, models.ForeignKey) and key.related_model in admin.site._registry
    ]


def _rows_of(model: Any, world: World) -> Any:
    """The agency's rows, or None where rows belong to no agency."""
    if model not in scoped_models():
        return None
    return model._default_manager.for_agency(world.agency).order_by("pk")


def _unit_and_band(deployment: Deployment) -> tuple[UsageUnit, int]:
    period = deployment.workspace.periods.open().order_by("start")[0]
    unit = UsageUnit.objects.for_agency(deployment.client.agency).get()
    return unit, period.plan_version.top_ups.order_by("pk")[0].pk


def text_of(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return f"{content.decode('utf-8', 'replace')}\n{response.headers}"
