"""Every text for people has its German, and what is compiled is what was translated."""

from __future__ import annotations

import gettext
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

from tests.architecture.sources import ROOT, tracked_files

CATALOGUE = ROOT / "agencyportal" / "locale" / "de" / "LC_MESSAGES" / "django.po"
CALLS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
LITERAL = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
TEMPLATE_CALLS = re.compile(rf"\b(?:n?p?gettext|_)\(\s*{LITERAL}(?:\s*,\s*{LITERAL})*[^)]*\)")
PLACES = re.compile(r"%\((\w+)\)[sd]|</?\w+")

Key = tuple[str, str]
"""Context (mostly none) and text; of texts with a plural, the singular."""


@cache
def german() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file)


@cache
def texts() -> dict[Key, str]:
    """What is marked for translation, and the first file where it is."""
    found: dict[Key, str] = {}
    for path in tracked_files():
        name = str(path.relative_to(ROOT))
        if name.startswith("tests/") or path.suffix not in (".py", ".html", ".txt"):
            continue
        for key in _marked(path):
            found.setdefault(key, name)
    return found


def _marked(path: Path) -> list[Key]:
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        if "{%" not in source and "_(" not in source:
            return []
        calls = TEMPLATE_CALLS.finditer(templatize(source))
        source = "\n".join(call.group().replace("\n", " ") for call in calls)
    return list(_in_python(source))


def _in_python(source: str) -> list[Key]:
    marked = extract("python", io.BytesIO(source.encode()), keywords=CALLS)
    keys = []
    for _line, message, _comments, context in marked:
        text = message if isinstance(message, str) else message[0]
        keys.append((context or "", text))
    return keys


def key_of(message: Any) -> Key:
    text = message.id if isinstance(message.id, str) else message.id[0]
    return message.context or "", text


def forms(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def test_every_text_has_its_german() -> None:
    """The admin is in English; what of it is translated is so by the way."""
    translated = {
        key_of(message)
        for message in german()
        if message.id and not message.fuzzy and all(forms(message.string))
    }
    missing = {
        key: where
        for key, where in texts().items()
        if key not in translated and not where.startswith("templates/admin/")
    }

    assert missing == {}, "`make messages`, then translate what is empty or fuzzy"


def test_no_german_is_left_of_texts_that_are_gone() -> None:
    gone = {key_of(message) for message in german() if message.id} - texts().keys()

    assert gone == set(), "`make messages` takes them out"


def test_what_is_compiled_is_what_was_translated() -> None:
    compiled = gettext.GNUTranslations(io.BytesIO(CATALOGUE.with_suffix(".mo").read_bytes()))
    written = dict[Any, str]()
    for message in german():
        context, text = key_of(message)
        key = f"{context}\x04{text}" if context else text
        several = not isinstance(message.id, str)
        for number, form in enumerate(forms(message.string) if message.id else ()):
            written[(key, number) if several else key] = form
    said = {key: form for key, form in compiled._catalog.items() if key}  # type: ignore[attr-defined]

    assert said == written, "`make messages` compiles it"


def test_a_translation_fills_in_what_its_text_fills_in() -> None:
    for message in german():
        if message.id:
            wanted = set(PLACES.findall(forms(message.id)[-1]))
            for form in forms(message.string):
                assert set(PLACES.findall(form)) <= wanted, message.id
            assert set(PLACES.findall(forms(message.string)[-1])) == wanted, message.id


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{% translate "Total" %}', "Total"),
        (
            "{% blocktranslate trimmed %}\n  Pay {{ due }}\n  now\n{% endblocktranslate %}",
            "Pay %(due)s now",
        ),
        ('{{ number|default:_("Draft") }}', "Draft"),
        ("{% blocktranslate count n=n %}One{% plural %}{{ n }}{% endblocktranslate %}", "One"),
        ("{% translate \"It's here\" %} it's there", "It's here"),
        ("{% translate 'One (or two) more' %} (and) so on", "One (or two) more"),
    ],
)
def test_texts_of_templates_are_found(tmp_path: Path, source: str, text: str) -> None:
    template = tmp_path / "a.html"
    template.write_text(source)

    assert _marked(template) == [("", text)]
