"""Every path of the portal. `/healthz` and `/readyz` are answered before, by `health`."""

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("agencyportal.entrance.urls")),
    path("admin/", admin.site.urls),
    path("portal/", include("agencyportal.portal.urls")),
    path("api/", include("agencyportal.api.urls")),
]
if apps.is_installed("djstripe"):
    urlpatterns.append(path("stripe/", include("djstripe.urls", namespace="djstripe")))

handler400 = "agencyportal.core.problems.bad_request"
handler403 = "agencyportal.core.problems.permission_denied"
handler404 = "agencyportal.core.problems.not_found"
handler500 = "agencyportal.core.problems.server_error"
