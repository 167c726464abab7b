"""What no file of the repository may say."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT, tracked_files

# Written in halves, so that this file does not say them either.
HOSTS = tuple(
    "".join(halves)
    for halves in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("yarnpkg", ".com"),
        ("unpkg", ".com"),
        ("jsdelivr", ".net"),
        ("deb.debian", ".org"),
        ("security.debian", ".org"),
        ("archive.ubuntu", ".com"),
        ("crates", ".io"),
        ("proxy.golang", ".org"),
        ("quay", ".io"),
        ("ghcr", ".io"),
        ("docker", ".io"),
    )
)
MACHINE_PATHS = re.compile("|".join("/" + path for path in ("work/", "root/", "home/", "Users/")))


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((str(path.relative_to(ROOT)), content.decode("utf-8")))
    return found


def test_no_file_names_a_package_registry() -> None:
    named = [(name, host) for name, text in texts() for host in HOSTS if host in text.lower()]

    assert named == []


def test_no_file_names_a_developers_machine() -> None:
    own = "tests/architecture/test_repository.py"
    named = [
        (name, match.group())
        for name, text in texts()
        if name != own and (match := MACHINE_PATHS.search(text))
    ]

    assert named == []


def test_state_and_secrets_stay_out_of_version_control() -> None:
    names = {str(path.relative_to(ROOT)) for path in tracked_files()}

    assert not {name for name in names if name.startswith((".data/", ".venv/", "staticfiles/"))}
    assert ".env" not in names
    assert ".env.example" in names


def test_the_example_environment_sets_nothing_and_names_only_what_is_read() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    readers = "".join(
        (ROOT / "agencyportal" / name).read_text(encoding="utf-8")
        for name in ("environment.py", "settings.py")
    )

    for line in example.splitlines():
        assert not line or line.startswith("#"), line
    for name in re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE):
        known = name if f'"{name}"' in readers else name[: len("DEMO_API_KEY_")]
        assert f'"{known}"' in readers, name
