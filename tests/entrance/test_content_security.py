"""Pages load and run our own files alone; only software not written that way may do more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client as Browser

from clients.models import User

ROOT = Path(__file__).resolve().parent.parent.parent
STRICT = [*sorted((ROOT / "templates").glob("*.html"))] + [
    path
    for folder in ("portal", "account", "entrance", "django_tables2")
    for path in sorted((ROOT / "templates" / folder).rglob("*.html"))
    if "email" not in path.parts
]


def policy(browser: Browser, path: str) -> dict[str, list[str]]:
    header = browser.get(path)["Content-Security-Policy"]
    parts = (directive.split() for directive in header.split(";"))
    return {name: sources for name, *sources in parts}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/", "/accounts/login/", "/setup/", "/portal/", "/nothing/", "/api/v1/events"]
)
def test_most_of_the_portal_runs_nothing_inline(client: Browser, path: str) -> None:
    directives = policy(client, path)

    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == ["'self'"]
    assert directives["style-src"] == ["'self'"]
    assert directives["frame-ancestors"] == directives["base-uri"] == ["'none'"]
    assert directives["form-action"] == ["'self'"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/nothing/"])
def test_the_admin_may_evaluate_and_style_but_runs_no_inline_script(
    client: Browser, operator: User, path: str
) -> None:
    client.force_login(operator)

    directives = policy(client, path)

    assert directives["script-src"] == ["'self'", "'unsafe-eval'"]
    assert directives["style-src"] == ["'self'", "'unsafe-inline'"]
    assert directives["default-src"] == ["'none'"]


@pytest.mark.django_db
def test_a_path_that_only_looks_like_the_admins_stays_strict(client: Browser) -> None:
    assert policy(client, "/administration/")["script-src"] == ["'self'"]


@pytest.mark.parametrize("path", STRICT, ids=lambda path: str(path.relative_to(ROOT)))
def test_strict_pages_hold_nothing_that_their_policy_forbids(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\s*[\"']|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text)
