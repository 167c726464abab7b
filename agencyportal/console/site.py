"""The admin site of account managers, finance people and the operator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.db import models
from django.db.models.base import ModelBase
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from unfold.sites import UnfoldAdminSite

from agencyportal.console.brand import palette
from agencyportal.core.admin import ScopedModelAdmin
from agencyportal.core.documents import DEFAULT_COLOUR
from agencyportal.core.powers import powers_in


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # untyped base
    """Unfold's site for people with a role at an agency, and for the operator.

    Entered through the one sign-in page that both sides share. Whoever is signed in and has no
    business here is told that nothing is here.
    """

    index_title = "Home"
    index_template = "admin/home.html"
    enable_nav_sidebar = True

    def register(
        self,
        model_or_iterable: type[models.Model] | Iterable[type[models.Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Take in what knows about agencies. Other people's ModelAdmins would show every row."""
        if admin_class is not None and issubclass(admin_class, ScopedModelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def unregister(self, model_or_iterable: Any) -> None:
        """Leave alone what was never taken in: libraries replace the pages of others."""
        given = (
            [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        )
        super().unregister([model for model in given if self.is_registered(model)])

    # -- who comes in ---------------------------------------------------------------------------

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(powers_in(request))

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponse]:
        guarded = super().admin_view(view, cacheable)

        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                raise Http404
            with timezone.override(zone_of(request)):
                response: HttpResponse = guarded(request, *args, **kwargs)
                if isinstance(response, TemplateResponse):
                    response.render()  # while the zone is set
                return response

        return update_wrapper(entered, guarded)

    @method_decorator(login_not_required)
    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - Django's
    ) -> HttpResponse:
        """Send to the sign-in page, and back here afterwards; to `/` who has no business here."""
        if request.user.is_authenticated:
            target = "admin:index" if self.has_permission(request) else "home"
            return HttpResponseRedirect(reverse(target))
        wanted = request.GET.get("next") or reverse("admin:index")
        return redirect_to_login(wanted, reverse("account_login"))

    # -- what every page has --------------------------------------------------------------------

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """The agency's name and colour, for those who have one; else the portal's own."""
        agency = brand_agency(request)
        colour = DEFAULT_COLOUR if agency is None else agency.brand_color
        context["colors"] = {**context["colors"], "primary": palette(colour)}
        if agency is not None:
            context["site_header"] = agency.name
            context["site_subheader"] = "Agency Portal"
        context["site_url"] = None
        return context

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        from agencyportal.console.home import home  # its models are loaded after the site is

        context = {**home(request), **(extra_context or {})}
        response: TemplateResponse = super().index(request, context)
        return response

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Look now, and keep nothing: Unfold would answer for five minutes with what the person
        saw before, and has no setting for it."""
        asked = f"{request.user.pk}_{request.GET.get('s', '').lower()}"
        kept = f"unfold_search_{hashlib.sha256(asked.encode()).hexdigest()}"
        cache.delete(kept)
        try:
            response: HttpResponse = super().search(request, extra_context)
        finally:
            cache.delete(kept)
        return response


def brand_agency(request: HttpRequest) -> Any:
    """The one agency that the person works for, asked once for each request; else None."""
    from clients.models import Agency  # loaded after the site is

    only = powers_in(request).only_agency
    if only is None:
        return None
    found = getattr(request, "portal_agency", None)
    if found is None:
        found = Agency.objects.filter(pk=only).first()
        request.portal_agency = found  # type: ignore[attr-defined]
    return found


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone in which times are shown and read: the agency's, or UTC for who has several."""
    agency = brand_agency(request)
    return ZoneInfo(agency.timezone if agency is not None else "UTC")


site = admin.site
"""The site in use: made by Django from ``default_site`` when it is first needed."""
