"""The environment is parsed once, and a variable that cannot be used is named."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import close_old_connections, connection

from agencyportal.environment import Environment, read_environment

ROOT = Path(__file__).resolve().parent.parent
LONG_KEY = "k" * 50


def read(tmp_path: Path, **variables: str) -> Environment:
    return read_environment({"PORTAL_DATA_DIR": "state", **variables}, base_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_HOSTS", "https://portal.example.com", "host names separated by commas"),
        ("CACHE_URL", "memcache://127.0.0.1", "a URL that begins with locmemcache://"),
        ("CELERY_BROKER_URL", "sqs://", "a URL that begins with filesystem://"),
        ("CELERY_BROKER_URL", "redis", "a URL that begins with filesystem://"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/portal", "a URL that begins with sqlite://"),
        ("DATABASE_URL", "postgres://root@127.0.0.1", "the database's name"),
        ("DATABASE_URL", "postgres://root@127.0.0.1:five/portal", "postgres://user:password@host"),
        ("DEBUG", "maybe", "true or false"),
        ("DEMO_UPSTREAM_URL", "localhost:9000", "an absolute address"),
        ("EMAIL_URL", "imap://mail.example.com", "a URL that begins with smtp://"),
        ("EMAIL_URL", "smtp+tls://", "a mail server's host"),
        ("EMAIL_URL", "anymail://", "a provider of django-anymail"),
        ("EMAIL_URL", "anymail://postmark?server_token=", "a provider of django-anymail"),
        (
            "EMAIL_URL",
            "anymail://postmark.example/x?server_token=y",
            "a provider of django-anymail",
        ),
        ("EMAIL_URL", "smtp://mail.example.com:five", "smtp+tls://user:password@host:587"),
        ("PORT", "65536", "a port from 1 to 65535"),
        ("PORTAL_API_EVENTS_PER_MINUTE", "many", "a whole number, or 0 for no limit"),
        ("PORTAL_API_READS_PER_MINUTE", "-1", "a whole number, or 0 for no limit"),
        ("PORTAL_API_RESERVATIONS_PER_MINUTE", "1.5", "a whole number, or 0 for no limit"),
        ("PORT", "http", "a port from 1 to 65535"),
        ("PORTAL_BASE_URL", "portal.example.com", "an absolute address"),
        ("PORTAL_BASE_URL", "https://portal.example.com/?page=1", "an absolute address"),
        ("PORTAL_BEHIND_PROXY", "perhaps", "true or false"),
        ("PORTAL_DATA_DIR", "/proc/nowhere", "a directory that can be made"),
        ("PORTAL_LOG_FORMAT", "xml", "one of console, json"),
        ("PORTAL_LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR"),
        ("SECRET_KEY", "short", "a random string of at least 50 characters"),
        ("STRIPE_API_BASE", "stripe.example.com", "an absolute address"),
        ("STRIPE_SECRET_KEY", "pk_test_0123456789", "a secret or restricted key"),
        ("STRIPE_SECRET_KEY", "sk_test_", "a secret or restricted key"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_what_is_expected(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(tmp_path, **{name: value})

    message = str(refusal.value)
    assert message.startswith(f"{name}: expected {expected}")
    assert "; got " in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_URL", "memcache://user:hunter2@127.0.0.1"),
        ("CELERY_BROKER_URL", "sqs://user:hunter2@127.0.0.1"),
        ("DATABASE_URL", "postgres://user:hunter2@127.0.0.1"),
        ("DATABASE_URL", "user:hunter2@127.0.0.1"),
        ("EMAIL_URL", "smtp://user:hunter2@"),
        ("PORTAL_BASE_URL", "https://user:hunter2@portal.example.com"),
        ("SECRET_KEY", "hunter2"),
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
    ],
)
def test_a_refusal_does_not_repeat_secrets(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(tmp_path, **{name: value})

    assert "hunter2" not in str(refusal.value)


def test_everything_has_a_default_that_serves_one_machine(tmp_path: Path) -> None:
    environment = read(tmp_path)

    state = tmp_path / "state"
    assert environment.database["ENGINE"] == "django.db.backends.sqlite3"
    assert environment.database["NAME"] == str(state / "db.sqlite3")
    assert environment.broker_url == "filesystem://"
    assert environment.cache["BACKEND"] == "django.core.cache.backends.locmem.LocMemCache"
    assert environment.email["EMAIL_BACKEND"].endswith("filebased.EmailBackend")
    assert environment.email["EMAIL_FILE_PATH"] == str(state / "mail")
    assert environment.base_url == "http://127.0.0.1:8000"
    assert environment.demo_password == "demo-portal"
    assert environment.api_calls_per_minute == {"events": 6000, "read": 1200, "reserve": 24000}
    assert environment.embedded
    assert not environment.debug
    assert not environment.secure


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    assert read(tmp_path, PORT="", DATABASE_URL="  ", DEBUG="") == read(tmp_path)


def test_the_default_address_follows_the_port(tmp_path: Path) -> None:
    assert read(tmp_path, PORT="8123").base_url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("value", ["postgres", "postgresql"])
def test_a_postgresql_url_is_taken_apart(tmp_path: Path, value: str) -> None:
    url = f"{value}://portal:p%40ss@db.internal:5433/books"

    assert read(tmp_path, DATABASE_URL=url).database == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "books",
        "USER": "portal",
        "PASSWORD": "p@ss",
        "HOST": "db.internal",
        "PORT": 5433,
    }


def test_a_relative_sqlite_path_does_not_depend_on_where_the_command_was_started(
    tmp_path: Path,
) -> None:
    environment = read(tmp_path, DATABASE_URL="sqlite:///books.sqlite3")

    assert environment.database["NAME"] == str(tmp_path / "books.sqlite3")


def test_a_mail_server_is_taken_apart(tmp_path: Path) -> None:
    email = read(tmp_path, EMAIL_URL="smtp+tls://me:p%40ss@mail.example.com:587").email

    assert email["EMAIL_HOST"] == "mail.example.com"
    assert email["EMAIL_PORT"] == 587
    assert email["EMAIL_HOST_PASSWORD"] == "p@ss"
    assert email["EMAIL_USE_TLS"] is True


def test_mail_goes_through_a_provider_of_anymail(tmp_path):
    email = read(
        tmp_path, EMAIL_URL="anymail://mailgun?api_key=a%26b&sender_domain=example.com"
    ).email
    assert email["EMAIL_BACKEND"] == "anymail.backends.mailgun.EmailBackend"
    assert email["ANYMAIL"] == {
        "REQUESTS_TIMEOUT": 20,
        "MAILGUN_API_KEY": "a&b",
        "MAILGUN_SENDER_DOMAIN": "example.com",
    }


def test_without_anymail_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("agencyportal.environment.find_spec", lambda _name: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install 'django-anymail\[postmark\]'"):
        read(tmp_path, EMAIL_URL="anymail://postmark?server_token=secret")


def test_demo_keys_are_found_by_workspace(tmp_path: Path) -> None:
    environment = read(tmp_path, DEMO_API_KEY_ACME_SUPPORT="key-1", DEMO_API_KEY_BIRCH_LEADS="")

    assert environment.demo_api_keys == {"acme-support": "key-1"}


def test_the_secret_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    first = read(tmp_path).secret_key

    assert len(first) >= 50
    assert read(tmp_path).secret_key == first
    assert stat.S_IMODE((tmp_path / "state/secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        keys = set(pool.map(lambda _: read(tmp_path).secret_key, range(32)))

    assert len(keys) == 1
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["secret_key"]


def test_a_portal_that_others_reach_needs_a_secret_key_of_its_own(tmp_path: Path) -> None:
    hosts = "localhost,portal.example.com"

    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY: .* names portal\.example\.com"):
        read(tmp_path, ALLOWED_HOSTS=hosts)

    environment = read(tmp_path, ALLOWED_HOSTS=hosts, SECRET_KEY=LONG_KEY)
    assert environment.secret_key == LONG_KEY
    assert not environment.embedded
    assert not (tmp_path / "state/secret_key").exists()


def manage(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` as its own process with these variables alone."""
    environment = {
        "PATH": os.environ["PATH"],
        "PORTAL_DATA_DIR": str(tmp_path),
        "PORTAL_ENV_FILE": os.devnull,
        **variables,
    }
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )


def test_a_command_ends_with_one_line_about_the_variable(tmp_path: Path) -> None:
    result = manage(tmp_path, "check", PORT="none")

    assert result.returncode == 1
    assert result.stderr == ("Not configured. PORT: expected a port from 1 to 65535; got 'none'\n")


def test_a_command_on_a_database_that_is_not_prepared_says_what_to_run(tmp_path: Path) -> None:
    result = manage(tmp_path, "reconcile")

    assert result.returncode == 1
    assert result.stderr == (
        "The database is not prepared for this version. Run: manage.py migrate\n"
    )


def test_a_command_without_its_database_names_the_variable(tmp_path: Path) -> None:
    result = manage(tmp_path, "reconcile", DATABASE_URL=f"sqlite:///{tmp_path}/missing/db.sqlite3")

    assert result.returncode == 1
    assert result.stderr == (
        "The database does not answer: unable to open database file\n"
        "DATABASE_URL says which one it is.\n"
    )


def test_a_deployment_over_tls_passes_djangos_own_checks(tmp_path: Path) -> None:
    result = manage(
        tmp_path,
        *("check", "--deploy", "--fail-level", "WARNING"),
        PORTAL_BASE_URL="https://portal.example.com",
        ALLOWED_HOSTS="portal.example.com",
        PORTAL_BEHIND_PROXY="true",
        CACHE_URL="redis://127.0.0.1:6379/15",
        SECRET_KEY="".join(chr(33 + number % 90) for number in range(60)),
    )

    assert result.returncode == 0, result.stderr


def test_with_a_stripe_key_its_app_is_there_and_finds_nothing_wrong(tmp_path: Path) -> None:
    key = "rk_live_" + "x" * 24
    checked = manage(tmp_path, "check", "--fail-level", "WARNING", STRIPE_SECRET_KEY=key)

    assert checked.returncode == 0, checked.stderr
    assert read(tmp_path, STRIPE_SECRET_KEY=key).stripe_live
    assert not read(tmp_path, STRIPE_SECRET_KEY="sk_test_0123456789").stripe_live


def test_variables_that_are_set_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "portal.env").write_text("PORT=8001\nDEMO_PASSWORD=from-the-file\n")
    code = (
        "import json; from django.conf import settings;"
        "print(json.dumps([settings.PORT, settings.DEMO_PASSWORD]))"
    )

    result = manage(
        tmp_path,
        *("shell", "--no-imports", "-c", code),
        PORTAL_ENV_FILE=str(tmp_path / "portal.env"),
        PORT="8002",
    )

    assert json.loads(result.stdout) == [8002, "from-the-file"], result.stderr


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own settings")
@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1), ("recursive_triggers", 1)],
)
def test_sqlite_is_set_up_for_several_processes_and_for_triggers(pragma: str, value: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {pragma}")
        assert cursor.fetchone() == (value,)


@pytest.mark.django_db(transaction=True)
def test_a_thread_keeps_its_connection_from_request_to_request() -> None:
    connection.close()
    connection.ensure_connection()
    before = connection.connection

    close_old_connections()  # as Django does before and after each request
    connection.ensure_connection()

    assert connection.connection is before


def test_documents_are_private_files_without_a_url() -> None:
    storage = storages["documents"]
    name = storage.save("tests/private.pdf", ContentFile(b"%PDF"))

    try:
        assert stat.S_IMODE(Path(storage.path(name)).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(storage.path(name)).parent.stat().st_mode) == 0o700
        with pytest.raises(ValueError, match=r"tests/private\.pdf has no URL"):
            storage.url(name)
    finally:
        storage.delete(name)


def test_calls_are_limited_by_scope_and_none_is_no_limit(tmp_path: Path) -> None:
    environment = read(
        tmp_path, PORTAL_API_READS_PER_MINUTE="5", PORTAL_API_RESERVATIONS_PER_MINUTE="0"
    )

    assert environment.api_calls_per_minute == {"events": 6000, "read": 5}
