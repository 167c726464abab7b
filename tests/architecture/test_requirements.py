"""Dependencies are locked by hash, and no file says where they come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

LOCKS = sorted(ROOT.glob("requirements*.txt"))
PINNED = re.compile(r"(?P<name>[a-z0-9-]+)(\[[a-z0-9,-]+\])?==(?P<version>[^\s;]+)( ; [^\\]+)? \\")


def requirements(path: Path) -> list[str]:
    """Each requirement with its continuation lines, comments left out."""
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return re.sub(r"\n(?=\S)", "\0", "\n".join(lines)).split("\0")


def pins(path: Path) -> dict[str, str]:
    matches = (PINNED.match(requirement) for requirement in requirements(path))
    return {match["name"]: match["version"] for match in matches if match}


def test_every_list_is_locked() -> None:
    assert [path.stem for path in LOCKS] == [
        path.stem for path in sorted(ROOT.glob("requirements*.in"))
    ]
    assert LOCKS


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    for requirement in requirements(path):
        first, *hashes = requirement.splitlines()
        assert PINNED.fullmatch(first), first
        assert hashes, first
        for line in hashes:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*")), ids=lambda path: path.name)
def test_no_list_names_where_packages_come_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)


def test_every_lock_names_the_same_versions() -> None:
    everything = pins(ROOT / "requirements-dev.txt")

    for path in LOCKS:
        assert pins(path).items() <= everything.items(), path.name


def test_what_is_asked_for_is_locked() -> None:
    for source in sorted(ROOT.glob("requirements*.in")):
        names = re.findall(r"^[a-z][a-z0-9-]*", source.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(names) <= pins(source.with_suffix(".txt")).keys(), f"{source.name}: make lock"
