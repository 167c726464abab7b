"""The first run of an empty portal: its platform, its operator, its first agency and the owner.

Whoever sees the terminal that the portal was started from may do it, and nobody else: the page
asks for a token that is printed there. It follows from SECRET_KEY, so that every process knows
it and none has to keep it, and opens nothing once there is an operator.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from clients.models import Agency, AgencyMember, Platform, User
from clients.services.people import add_member, create_agency
from payouts.services.terms import add_fee_rule, set_payout_terms

TOKEN_LENGTH = 32


class AlreadySetUpError(Exception):
    """The portal has an operator: somebody else was here first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """What the first run asks for."""

    platform_name: str
    platform_email: str
    country: str
    operator_name: str
    operator_email: str
    password: str
    agency_name: str
    agency_slug: str
    agency_timezone: str
    brand_color: str
    fee_percent: Decimal
    """The platform's share of what clients pay, before tax."""
    owner_name: str = ""
    owner_email: str = ""
    """Empty: the operator owns the agency, too."""


def is_due() -> bool:
    """Whether nobody runs this portal yet."""
    return not User.objects.filter(is_operator=True).exists()


def token() -> str:
    """The word that opens the page."""
    return salted_hmac(__name__, "token", algorithm="sha256").hexdigest()[:TOKEN_LENGTH]


def is_token(text: str) -> bool:
    return constant_time_compare(text.strip(), token())


def address() -> str:
    """The page's full address, token included: for the terminal alone."""
    return f"{settings.PORTAL_BASE_URL}{reverse('setup')}?token={token()}"


@transaction.atomic
def set_up(run: FirstRun, *, now: dt.datetime) -> tuple[User, User]:
    """Make platform, operator, agency and owner, all or nothing. Returns operator and owner.

    Raises AlreadySetUpError where there is an operator, also one made this very moment: the
    platform's only row makes the slower of two wait. Raises ValidationError for values that the
    models refuse.
    """
    platform, _ = Platform.objects.get_or_create(defaults={"name": run.platform_name})
    if not is_due():
        raise AlreadySetUpError
    platform.name = run.platform_name
    platform.email = run.platform_email
    platform.country = run.country
    platform.full_clean()
    platform.save()
    operator = User.objects.create_superuser(
        run.operator_email, run.password, name=run.operator_name
    )
    return operator, _agency_with_owner(run, operator, now)


def _agency_with_owner(run: FirstRun, operator: User, now: dt.datetime) -> User:
    agency: Agency = create_agency(
        slug=run.agency_slug,
        name=run.agency_name,
        timezone=run.agency_timezone,
        brand_color=run.brand_color,
    )
    set_payout_terms(agency=agency, now=now)
    add_fee_rule(agency=agency, percent=run.fee_percent, effective_from=now, now=now)
    owner = operator
    if run.owner_email and run.owner_email.lower() != operator.email:
        # Without a password nobody signs in as them: they choose one by mail.
        owner = User.objects.create_user(run.owner_email, name=run.owner_name, is_staff=True)
    add_member(agency=agency, user=owner, role=AgencyMember.Role.OWNER)
    return owner
