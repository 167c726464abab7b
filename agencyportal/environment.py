"""What a process reads from its environment: one typed, frozen value, or one clear error.

Every variable is parsed here and nowhere else. A variable that cannot be used stops the process
with a message that names it, says what is expected, and never repeats a secret.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
LOG_FORMATS = ("console", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
BROKER_SCHEMES = ("filesystem", "memory", "redis", "rediss", "amqp", "amqps")
DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
CACHE_SCHEMES = ("locmemcache", "dummycache", "redis", "rediss")
EMAIL_SCHEMES = ("smtp", "smtps", "smtp+tls", "smtp+ssl", "filemail", "consolemail", "anymail")
ANYMAIL_TIMEOUT = 20
SECRET_KEY_LENGTH = 50
STRIPE_API_BASE = "https://api.stripe.com"
STRIPE_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9]{10,}")
API_LIMITS = {
    "events": ("PORTAL_API_EVENTS_PER_MINUTE", 6_000),
    "read": ("PORTAL_API_READS_PER_MINUTE", 1_200),
    "reserve": ("PORTAL_API_RESERVATIONS_PER_MINUTE", 24_000),
}
"""Scope of a key -> the variable that says how many calls it may make in a minute, and default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The parsed environment. Dictionaries have the shape of the Django setting they become."""

    debug: bool
    secret_key: str
    allowed_hosts: tuple[str, ...]
    data_dir: Path
    base_url: str
    behind_proxy: bool
    local_webhooks: bool
    port: int
    database: Mapping[str, Any]
    broker_url: str
    cache: Mapping[str, Any]
    email: Mapping[str, Any]
    email_from: str
    log_format: str
    log_level: str
    api_calls_per_minute: Mapping[str, int]
    stripe_secret_key: str
    stripe_api_base: str
    demo_password: str
    demo_upstream_url: str
    demo_api_keys: Mapping[str, str]

    @property
    def embedded(self) -> bool:
        """Whether only this machine can reach the portal: every allowed host is loopback."""
        return all(host in LOOPBACK_HOSTS for host in self.allowed_hosts)

    @property
    def stripe_live(self) -> bool:
        """Whether Stripe moves real money: the key says so."""
        return "_live_" in self.stripe_secret_key

    @property
    def secure(self) -> bool:
        """Whether people reach the portal over TLS."""
        return self.base_url.startswith("https://")


def read_environment(variables: Mapping[str, str], *, base_dir: Path) -> Environment:
    """Parse `variables` (usually `os.environ`); relative paths are taken from `base_dir`.

    Creates the data directory, and the secret key kept in it when the portal is embedded.
    Raises `ImproperlyConfigured`, naming the variable, for the first one that cannot be used.
    """
    reader = _Reader(variables)
    data_dir = (base_dir / reader.text("PORTAL_DATA_DIR", ".data")).resolve()
    _make_private_directory(data_dir)
    allowed_hosts = reader.hosts("ALLOWED_HOSTS", LOOPBACK_HOSTS)
    port = reader.port("PORT", 8000)
    return Environment(
        debug=reader.boolean("DEBUG", default=False),
        secret_key=_secret_key(reader, allowed_hosts, data_dir),
        allowed_hosts=allowed_hosts,
        data_dir=data_dir,
        base_url=reader.web_address("PORTAL_BASE_URL", f"http://127.0.0.1:{port}"),
        behind_proxy=reader.boolean("PORTAL_BEHIND_PROXY", default=False),
        local_webhooks=reader.boolean("PORTAL_LOCAL_WEBHOOKS", default=False),
        port=port,
        database=_database(reader, data_dir, base_dir),
        broker_url=reader.url("CELERY_BROKER_URL", "filesystem://", BROKER_SCHEMES),
        cache=environ.Env.cache_url_config(
            reader.url("CACHE_URL", "locmemcache://", CACHE_SCHEMES)
        ),
        email=_email(reader, data_dir),
        email_from=reader.text("PORTAL_EMAIL_FROM", "Agency Portal <portal@localhost>"),
        log_format=reader.choice("PORTAL_LOG_FORMAT", "console", LOG_FORMATS),
        log_level=reader.choice("PORTAL_LOG_LEVEL", "INFO", LOG_LEVELS),
        api_calls_per_minute={
            scope: limit
            for scope, (name, default) in API_LIMITS.items()
            if (limit := reader.count(name, default))
        },
        stripe_secret_key=_stripe_secret_key(reader),
        stripe_api_base=reader.web_address("STRIPE_API_BASE", STRIPE_API_BASE),
        demo_password=reader.text("DEMO_PASSWORD", "demo-portal"),
        demo_upstream_url=reader.web_address("DEMO_UPSTREAM_URL", ""),
        demo_api_keys=reader.by_slug("DEMO_API_KEY_"),
    )


class _Reader:
    """Reads variables by kind. An empty variable counts as one that is not set."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str) -> str:
        return self._variables.get(name, "").strip() or default

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
            raise _refusal(name, "true or false", repr(value))
        return value in {"true", "1", "yes", "on"}

    def port(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
            raise _refusal(name, "a port from 1 to 65535", repr(value))
        return int(value)

    def count(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value):
            raise _refusal(name, "a whole number, or 0 for no limit", repr(value))
        return int(value)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise _refusal(name, "one of " + ", ".join(choices), repr(value))

    def hosts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.text(name, ",".join(default))
        hosts = tuple(host.strip() for host in value.split(",") if host.strip())
        if not hosts or any("/" in host or " " in host for host in hosts):
            expected = "host names separated by commas, as portal.example.com,localhost"
            raise _refusal(name, expected, repr(value))
        return hosts

    def web_address(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/")
        if value and not _is_web_address(value):
            expected = "an absolute address without a query, as https://portal.example.com"
            raise _refusal(name, expected, _shown_url(value))
        return value

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name, default)
        scheme, separator, _ = value.partition("://")
        if not separator or scheme not in schemes:
            expected = "a URL that begins with " + ", ".join(f"{scheme}://" for scheme in schemes)
            raise _refusal(name, expected, _shown_url(value))
        return value

    def by_slug(self, prefix: str) -> dict[str, str]:
        """`PREFIX_ACME_SUPPORT=x` as `{"acme-support": "x"}`."""
        return {
            name.removeprefix(prefix).lower().replace("_", "-"): value.strip()
            for name, value in self._variables.items()
            if name.startswith(prefix) and value.strip()
        }


def _database(reader: _Reader, data_dir: Path, base_dir: Path) -> dict[str, Any]:
    name = "DATABASE_URL"
    value = reader.url(name, f"sqlite:///{data_dir / 'db.sqlite3'}", DATABASE_SCHEMES)
    try:
        config: dict[str, Any] = environ.Env.db_url_config(value)
    except (ValueError, ImproperlyConfigured) as error:
        raise _refusal(
            name, "postgres://user:password@host:5432/name", _shown_url(value)
        ) from error
    if not config.get("NAME"):
        raise _refusal(name, "the database's name after the last slash", _shown_url(value))
    if value.startswith("sqlite") and config["NAME"] != ":memory:":
        config["NAME"] = str((base_dir / config["NAME"]).resolve())
    return config


def _email(reader: _Reader, data_dir: Path) -> dict[str, Any]:
    name = "EMAIL_URL"
    value = reader.url(name, f"filemail:///{data_dir / 'mail'}", EMAIL_SCHEMES)
    if value.startswith("anymail://"):
        return _anymail(name, value)
    try:
        config: dict[str, Any] = environ.Env.email_url_config(value)
    except ValueError as error:
        raise _refusal(name, "smtp+tls://user:password@host:587", _shown_url(value)) from error
    if value.startswith("smtp") and not config["EMAIL_HOST"]:
        raise _refusal(name, "a mail server's host after the scheme", _shown_url(value))
    # Django's defaults are empty strings; the parser leaves out what the URL does not say as None.
    return {key: setting for key, setting in config.items() if setting is not None}


def _anymail(name: str, value: str) -> dict[str, Any]:
    """`anymail://postmark?server_token=x` as django-anymail's settings: a provider, and what it
    asks for by the names of its documentation."""
    parts = urlsplit(value)
    said = parse_qsl(parts.query, keep_blank_values=True)
    if not re.fullmatch(r"[a-z0-9_]+", parts.netloc) or parts.path or not all(v for _, v in said):
        expected = (
            "a provider of django-anymail and its settings, as anymail://postmark?server_token=x"
        )
        raise _refusal(name, expected, _shown_url(value))
    if find_spec("anymail") is None:
        expected = f"django-anymail to be installed: pip install 'django-anymail[{parts.netloc}]'"
        raise _refusal(name, expected, "no such package")
    provider = parts.netloc.upper()
    settings = {f"{provider}_{key.upper()}": setting for key, setting in said}
    return {
        "EMAIL_BACKEND": f"anymail.backends.{parts.netloc}.EmailBackend",
        "ANYMAIL": {"REQUESTS_TIMEOUT": ANYMAIL_TIMEOUT, **settings},
    }


def _secret_key(reader: _Reader, allowed_hosts: tuple[str, ...], data_dir: Path) -> str:
    value = reader.text("SECRET_KEY", "")
    if value and len(value) < SECRET_KEY_LENGTH:
        raise _refusal(
            "SECRET_KEY",
            f"a random string of at least {SECRET_KEY_LENGTH} characters",
            f"{len(value)} characters",
        )
    if value:
        return value
    public = [host for host in allowed_hosts if host not in LOOPBACK_HOSTS]
    if public:
        raise _refusal(
            "SECRET_KEY",
            f"a random string of at least {SECRET_KEY_LENGTH} characters, "
            f"because ALLOWED_HOSTS names {public[0]}",
            "nothing",
        )
    return _kept_secret_key(data_dir / "secret_key")


def _kept_secret_key(path: Path) -> str:
    """The embedded portal's own key: made once, readable by its owner alone.

    Web, worker and scheduler may all start first: a hard link either makes the file whole or
    fails because another process was faster, so that all of them read the same key.
    """
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")  # mode 0600
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_KEY_LENGTH))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass  # another process made it first
        finally:
            Path(draft).unlink()
    return path.read_text(encoding="ascii")


def _stripe_secret_key(reader: _Reader) -> str:
    """Empty: without Stripe. A publishable key, and one that was cut, would fail at every call."""
    value = reader.text("STRIPE_SECRET_KEY", "")
    if value and not STRIPE_KEY.fullmatch(value):
        shown = f"one that begins with {value[:3]}" if value.startswith("pk_") else "another value"
        raise _refusal(
            "STRIPE_SECRET_KEY",
            "a secret or restricted key, as sk_test_… or rk_live_…",
            shown,
        )
    return value


def _make_private_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        expected = "a directory that can be made and written"
        raise _refusal("PORTAL_DATA_DIR", expected, f"{path} ({error.strerror})") from error


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or parts.username) and port != 0
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and plain


def _shown_url(value: str) -> str:
    """A URL as an error may show it: its scheme alone, since the rest may hold a password."""
    scheme, separator, _ = value.partition("://")
    return f"{scheme}://…" if separator else "a value without a scheme"


def _refusal(name: str, expected: str, got: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}: expected {expected}; got {got}")
