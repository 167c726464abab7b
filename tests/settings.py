"""The portal's settings as the suite uses them.

Only what says where services are comes from the environment; everything else is fixed, so that a
developer's `.env` changes no result. Each process gets a data directory of its own.
"""

import atexit
import os
import shutil
import tempfile

_SERVICES = {"DATABASE_URL", "CELERY_BROKER_URL"}
_OURS = ("PORTAL_", "DEMO_", "STRIPE_")
_NAMES = {"DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "CACHE_URL", "EMAIL_URL", "PORT"}
for _name in list(os.environ):
    if _name in _NAMES or _name.startswith(_OURS):
        del os.environ[_name]

_data_dir = tempfile.mkdtemp(prefix="portal-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.environ["PORTAL_DATA_DIR"] = _data_dir
os.environ["PORTAL_ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 50
# Stripe's app is there in all tests, and switched on by those that are about it.
os.environ["STRIPE_SECRET_KEY"] = "sk_test_" + "0" * 24

from agencyportal.settings import *  # noqa: E402, F403
from agencyportal.settings import (  # noqa: E402
    ALLOWED_HOSTS,
    DATABASES,
    INSTALLED_APPS,
    PORTAL_DATA_DIR,
)

# First, so that its flush is the one that is found.
INSTALLED_APPS = ["tests.samples", *INSTALLED_APPS]
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "testserver"]
# Hashing slowly is right everywhere but here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads then share it the way processes do, with WAL and its waiting.
    DATABASES["default"]["TEST"] = {"NAME": str(PORTAL_DATA_DIR / "test.sqlite3")}
else:
    # Nothing of it has to outlive the machine, so no commit waits for the disk.
    _given = DATABASES["default"]["OPTIONS"].get("options", "")
    DATABASES["default"]["OPTIONS"]["options"] = f"{_given} -c synchronous_commit=off".strip()

# Static files are looked for when asked for, and not all listed by each of a thousand clients.
WHITENOISE_AUTOREFRESH = True

STRIPE_SECRET_KEY = ""

# What a request or a service sends to a worker runs at once, and what goes wrong is not swallowed.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
