"""Django's settings: the environment's values put where Django, DRF and Celery look for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from agencyportal.console.settings import UNFOLD as UNFOLD_SETTINGS
from agencyportal.core import logs
from agencyportal.environment import read_environment

BASE_DIR = Path(__file__).resolve().parent.parent

# Variables that are set win over the file; PORTAL_ENV_FILE names another file, or none.
environ.Env.read_env(BASE_DIR / os.environ.get("PORTAL_ENV_FILE", ".env"))
ENVIRONMENT = read_environment(os.environ, base_dir=BASE_DIR)

# --- Who and where ---------------------------------------------------------------------------

DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
PORTAL_BASE_URL = ENVIRONMENT.base_url
PORTAL_DATA_DIR = ENVIRONMENT.data_dir
PORT = ENVIRONMENT.port
# Webhooks may go to programs on this machine, without TLS: for demonstrations and tests.
PORTAL_LOCAL_WEBHOOKS = ENVIRONMENT.local_webhooks

DEMO_PASSWORD = ENVIRONMENT.demo_password
DEMO_UPSTREAM_URL = ENVIRONMENT.demo_upstream_url
DEMO_API_KEYS = dict(ENVIRONMENT.demo_api_keys)  # by workspace slug

# --- Application -----------------------------------------------------------------------------

INSTALLED_APPS = [
    # Templates are looked for in this order. Ours, in `templates/`, come before all of them.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "agencyportal.console.apps.ConsoleAdminConfig",  # django.contrib.admin, with our site
    "agencyportal.core",
    "clients",
    "billing",
    "payouts",
    "agencyportal.entrance",
    "agencyportal.console",
    "agencyportal.portal",
    "agencyportal.api",
    "agencyportal.demo",
    "allauth",
    "allauth.account",
    "django_tables2",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "agencyportal.core.logs.RequestIdMiddleware",
    # Before anything that looks at the host: probes come by IP address and without TLS.
    "agencyportal.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "agencyportal.core.content_security.ContentSecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "agencyportal.urls"
WSGI_APPLICATION = "agencyportal.wsgi.application"
ASGI_APPLICATION = "agencyportal.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database --------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {"default": dict(ENVIRONMENT.database)}

# A thread keeps its connection between requests. On SQLite, too: opening one reads the whole
# schema, which is 5 ms of processor time for each request. A minute, so that a file that was
# replaced is soon seen.
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers and the writer work side by side. IMMEDIATE takes the write lock when a
    # transaction begins, where waiting is possible, not in its middle, where it is an error.
    # Without recursive triggers INSERT OR REPLACE walks past the append-only triggers.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode = WAL;"
            "PRAGMA synchronous = NORMAL;"
            "PRAGMA foreign_keys = ON;"
            "PRAGMA recursive_triggers = ON;"
        ),
    }
else:
    # Statements that come again and again (core/prepared.py) are planned once a connection. Behind
    # a pooler that cannot do that (PgBouncer before 1.21): `?prepare_threshold=None` in the URL.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("prepare_threshold", 3)

# Never ATOMIC_REQUESTS: on SQLite a transaction takes the write lock, even one that only reads.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People ----------------------------------------------------------------------------------

AUTH_USER_MODEL = "clients.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "agencyportal.entrance.adapter.EntranceAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]  # required, though nobody signs up
# Whoever invites a person vouches for the address, and a reset of the password proves it.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # strangers get no mail from us
ACCOUNT_SESSION_REMEMBER = None  # asked on the page
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if ENVIRONMENT.secure else "http"

# --- Admin -----------------------------------------------------------------------------------

UNFOLD = UNFOLD_SETTINGS

# --- Language and time -----------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "agencyportal" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "agencyportal.console.formats"

# --- Files -----------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns about a directory that is not there
# From a checkout, files are served from where they lie; a deployment collects and hashes them.
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_AUTOREFRESH = DEBUG

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": PORTAL_DATA_DIR / "files"},
    },
    "documents": {
        "BACKEND": "agencyportal.core.storage.DocumentStorage",
        "OPTIONS": {
            "location": PORTAL_DATA_DIR / "documents",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    # Each file is named by its hash, so one of the same name is the same file.
    "logos": {
        "BACKEND": "agencyportal.core.storage.DocumentStorage",
        "OPTIONS": {
            "location": PORTAL_DATA_DIR / "logos",
            "allow_overwrite": True,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "agencyportal.core.storage.StaticStorage"},
}

# --- Cache and mail --------------------------------------------------------------------------

# The default cache belongs to one process, so it may hold nothing that a second process has to
# see. Locks and limits that must hold are database rows; throttles count per process until
# CACHE_URL names a Redis.
CACHES: dict[str, dict[str, Any]] = {"default": dict(ENVIRONMENT.cache)}

globals().update(ENVIRONMENT.email)  # EMAIL_BACKEND, EMAIL_HOST, ANYMAIL...
if "ANYMAIL" in ENVIRONMENT.email:
    INSTALLED_APPS.append("anymail")
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from

# --- Security --------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
CONTENT_SECURITY_POLICY_BY_PREFIX: dict[str, dict[str, list[str]]] = {
    # Unfold evaluates Alpine's expressions and sets styles in attributes.
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
    # The schema's browser sets styles in attributes.
    "/api/docs/": {"style-src": [SELF, UNSAFE_INLINE]},
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.secure
SESSION_COOKIE_NAME = "__Host-session" if ENVIRONMENT.secure else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if ENVIRONMENT.secure else "csrf"
CSRF_TRUSTED_ORIGINS = [PORTAL_BASE_URL] if ENVIRONMENT.secure else []
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.secure and not DEBUG else 0
# HSTS for subdomains, and the browsers' lists, are for whoever owns the whole domain to decide.
SILENCED_SYSTEM_CHECKS: list[str | None] = ["security.W005", "security.W021"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
if ENVIRONMENT.behind_proxy:
    ALLAUTH_TRUSTED_PROXY_COUNT = 1  # its X-Forwarded-For says whose tries are counted
    # Only a proxy that sets this header itself, whatever the caller sent, may stand in front.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = ENVIRONMENT.secure

# --- Stripe ----------------------------------------------------------------------------------

# Without a key there is no Stripe: top-ups are bought on account, payments recorded by hand.
STRIPE_SECRET_KEY = ENVIRONMENT.stripe_secret_key
STRIPE_LIVE_MODE = ENVIRONMENT.stripe_live
STRIPE_API_BASE = ENVIRONMENT.stripe_api_base
if STRIPE_SECRET_KEY:
    INSTALLED_APPS.append("djstripe")  # verifies what Stripe calls us with, and keeps every call
    DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
    DJSTRIPE_WEBHOOK_EVENT_CALLBACK = "billing.stripe_webhook.receive"
    # dj-stripe warns of its own callback, in a message without an id: its way without one calls
    # Stripe while Stripe waits for our answer.
    SILENCED_SYSTEM_CHECKS.append(None)

# --- API -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # Closed until a view says how it is opened.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["agencyportal.api.reading.BodyParser"],
    "EXCEPTION_HANDLER": "agencyportal.core.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# What one key may ask for in a minute, by scope. A call to `events` may carry 1,000 of them.
API_CALLS_PER_MINUTE = ENVIRONMENT.api_calls_per_minute

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Agency Portal",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # the suite asks more of the schema, on every run
    # The docs page loads from this server alone.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Wiring ----------------------------------------------------------------------------------

# What recording tells the apps above it, which it does not know (clients/services/listeners.py).
RECORDING_TELLS = {
    "spend": "billing.services.spend.look",
    "attention": "billing.services.attention.attend",
}

# --- Jobs ------------------------------------------------------------------------------------

CELERY_BROKER_URL = ENVIRONMENT.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_URL = "filesystem://localhost"  # without a host kombu warns on every start
    _broker_folder = PORTAL_DATA_DIR / "broker"
    for _folder in ("", "queue", "processed", "control"):
        (_broker_folder / _folder).mkdir(mode=0o700, exist_ok=True)
    # One folder in and out. A worker claims a message by renaming it into `processed`, which is
    # atomic because both are on one file system.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker_folder / "queue"),
        "data_folder_out": str(_broker_folder / "queue"),
        "store_processed": True,
        "processed_folder": str(_broker_folder / "processed"),
        "control_folder": str(_broker_folder / "control"),
    }
CELERY_TASK_DEFAULT_QUEUE = "portal"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# Tasks are safe to repeat, so they are acknowledged when they are done, and taken one at a time.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 25 * 60
CELERY_TASK_TIME_LIMIT = 30 * 60
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
# A scheduler that keeps no file: two of them on one machine corrupt the file of the default one,
# and ticks that ask the database what is due have nothing to remember.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"

# --- Logs ------------------------------------------------------------------------------------

LOGGING_CONFIG = "agencyportal.core.logs.configure"
LOGGING = logs.config(format=ENVIRONMENT.log_format, level=ENVIRONMENT.log_level)
