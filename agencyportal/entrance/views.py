"""The front door: who comes in is sent to their side of the house; the first one furnishes it."""

from __future__ import annotations

from typing import cast

from allauth.account import views as allauth
from allauth.account.internal.flows.password_reset import request_password_reset
from django.contrib import admin, messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from agencyportal.entrance import first_run
from agencyportal.entrance.forms import FirstRunForm
from clients.models import User

PORTAL = "/portal/"


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Send whom the admin lets in there, others to the client's pages, and strangers to sign in."""
    if not request.user.is_authenticated:
        return redirect("setup") if first_run.is_due() else redirect_to_login("/")
    return redirect("admin:index" if admin.site.has_permission(request) else PORTAL)


@login_required
def change_password(request: HttpRequest) -> HttpResponse:
    """allauth's page; who never had a password is sent to where one is chosen by mail.

    allauth would send them to a page that sets one for whoever sits at the keyboard.
    """
    if not cast(User, request.user).has_usable_password():
        messages.info(request, _("You have no password yet. We send you a link to choose one."))
        return redirect("account_reset_password")
    response: HttpResponse = allauth.password_change(request)
    return response


@sensitive_post_parameters("password", "token")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """The first run's page. As if it did not exist as soon as there is an operator."""
    if not first_run.is_due():
        raise Http404
    form = FirstRunForm(request.POST or None, initial={"token": request.GET.get("token", "")})
    if request.method == "POST" and form.is_valid():
        try:
            operator, owner = first_run.set_up(form.run(), now=timezone.now())
        except first_run.AlreadySetUpError as error:
            raise Http404 from error
        _invite(request, operator, owner)
        login(request, operator)
        messages.success(request, _("The portal is yours. Add the agency's units and packages."))
        return redirect("home")
    status = 400 if form.is_bound else 200
    return render(request, "entrance/setup.html", {"form": form}, status=status)


def _invite(request: HttpRequest, operator: User, owner: User) -> None:
    """Send an owner who is not the operator the mail in which they choose a password."""
    if owner != operator:
        request_password_reset(request, owner.email, [owner], None)
