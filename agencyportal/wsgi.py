"""The portal for WSGI servers."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agencyportal.settings")

application = get_wsgi_application()

# What was loaded by now lives as long as the process: no collection need look at it again.
gc.collect()
gc.freeze()
