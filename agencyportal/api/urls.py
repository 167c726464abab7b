"""Paths below `/api/`."""

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from agencyportal.api import schema
from agencyportal.api.balance import BalanceView
from agencyportal.api.corrections import CorrectionsView
from agencyportal.api.events import EventsView
from agencyportal.api.explanation import ExplanationView
from agencyportal.api.reservations import CommitView, ReleaseView, ReservationsView
from agencyportal.api.usage import UsageView

app_name = "api"
schema.describe()

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/events", EventsView.as_view(), name="events"),
    path("v1/corrections", CorrectionsView.as_view(), name="corrections"),
    path("v1/usage", UsageView.as_view(), name="usage"),
    path("v1/balance", BalanceView.as_view(), name="balance"),
    path("v1/explanation", ExplanationView.as_view(), name="explanation"),
    path("v1/reservations", ReservationsView.as_view(), name="reservations"),
    path("v1/reservations/<uuid:public_id>/commit", CommitView.as_view(), name="commit"),
    path("v1/reservations/<uuid:public_id>/release", ReleaseView.as_view(), name="release"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
