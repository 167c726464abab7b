"""Every path of the portal. `/healthz` and `/readyz` are answered before, by `health`."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("agencyportal.entrance.urls")),
    path("admin/", admin.site.urls),
    path("portal/", include("agencyportal.portal.urls")),
    path("api/", include("agencyportal.api.urls")),
]

handler400 = "agencyportal.core.problems.bad_request"
handler403 = "agencyportal.core.problems.permission_denied"
handler404 = "agencyportal.core.problems.not_found"
handler500 = "agencyportal.core.problems.server_error"
