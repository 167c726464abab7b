"""The parties to a contract: the platform, the agencies and their clients."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import now

from agencyportal.core.fields import CurrencyField, TimeZoneField
from agencyportal.core.powers import Power
from agencyportal.core.tenancy import OWN_ROW, ScopedQuerySet, platform_row
from clients.tax_ids import TaxIdError, normalised_tax_id

from .people import User

TOWN_FIRST = frozenset({"US", "CA", "AU"})
"""Countries that write ``San Francisco, CA 94104``; most others write ``10119 Berlin``."""


class Party(models.Model):
    """Who a document is from or to: a legal name and an address as printed on it."""

    name = models.CharField(max_length=200, help_text="What people call it.")
    legal_name = models.CharField(max_length=200, blank=True, help_text="As registered.")
    address_line1 = models.CharField(max_length=200, blank=True)
    address_line2 = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", "Two capital letters, as in US (ISO 3166-1).")],
    )
    tax_id = models.CharField(max_length=40, blank=True)
    email = models.EmailField(blank=True, help_text="Where documents are sent.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Write a VAT id as it is printed. Raises ValidationError for one that cannot be right."""
        super().clean()
        try:
            self.tax_id = normalised_tax_id(self.tax_id, self.country)
        except TaxIdError as error:
            raise ValidationError({"tax_id": str(error)}) from None

    @property
    def printed_name(self) -> str:
        return self.legal_name or self.name

    @property
    def address_lines(self) -> list[str]:
        """The address as printed, without empty lines; the country code last."""
        lines = (self.address_line1, self.address_line2, *self._town_lines(), self.country)
        return [line for line in lines if line]

    def _town_lines(self) -> list[str]:
        """Town, region and postal code as the country's post writes them."""
        if self.country in TOWN_FIRST:
            town = ", ".join(part for part in (self.city, self.region) if part)
            return [f"{town} {self.postal_code}".strip()]
        return [f"{self.postal_code} {self.city}".strip(), self.region]


@platform_row("the operator of the deployment")
class Platform(Party):
    """The operator of this deployment, and the merchant of record. There is one row."""

    only = models.PositiveSmallIntegerField(default=1, unique=True, editable=False)
    timezone = TimeZoneField(default="UTC")
    payment_details = models.TextField(
        blank=True, help_text="How to pay by bank transfer, as printed on invoices."
    )
    numbers_by_year = models.BooleanField(
        default=True,
        help_text="Invoices and credit notes are numbered from 1 in every year (INV-2026-000001); "
        "otherwise in one run for ever (INV-000001).",
    )

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(only=1), name="platform_only_one"),
        )


class AgencyQuerySet(ScopedQuerySet["Agency"]):
    agency_path = OWN_ROW


class Agency(Party):
    """A Builder: the tenant. Owns clients, sets packages and margins, receives payouts."""

    slug = models.SlugField(max_length=60, unique=True)
    timezone = TimeZoneField(default="UTC", help_text="Payout months are counted in this zone.")
    brand_color = models.CharField(
        max_length=7,
        default="#1f4e79",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour as #rrggbb.")],
    )
    logo = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="SHA-256 of the picture in the storage of logos.",
    )
    language = models.CharField(
        max_length=10, default="en", help_text="Of its statements, and of messages to its people."
    )
    grace_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MaxValueValidator(24 * 14)],
        help_text="Hours after a period's end in which late events still count.",
    )
    payment_terms_days = models.PositiveSmallIntegerField(
        default=14, validators=[MaxValueValidator(365)]
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AgencyQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "agencies"


class AgencyMemberQuerySet(ScopedQuerySet["AgencyMember"]):
    agency_path = "agency"


class AgencyMember(models.Model):
    """A person's part in an agency."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        MANAGER = "manager", "Account manager"
        FINANCE = "finance", "Finance"
        VIEWER = "viewer", "Viewer"

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="agency_memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = AgencyMemberQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("agency", "user"), name="agency_member_once"),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"

    @property
    def powers(self) -> frozenset[Power]:
        """What the role allows at the agency."""
        return POWERS_OF_ROLE[AgencyMember.Role(self.role)]


POWERS_OF_ROLE: Final = {
    AgencyMember.Role.OWNER: frozenset({Power.READ, Power.ACT, Power.MONEY, Power.LEAD}),
    AgencyMember.Role.MANAGER: frozenset({Power.READ, Power.ACT, Power.MONEY}),
    AgencyMember.Role.FINANCE: frozenset({Power.READ, Power.MONEY}),
    AgencyMember.Role.VIEWER: frozenset({Power.READ}),
}


class ClientQuerySet(ScopedQuerySet["Client"]):
    agency_path = "agency"
    client_path = OWN_ROW


class Client(Party):
    """An agency's customer. Its currency and time zone rule its periods and its invoices."""

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="clients")
    slug = models.SlugField(max_length=60)
    currency = CurrencyField(default="USD")
    timezone = TimeZoneField(default="UTC")
    language = models.CharField(
        max_length=10, default="en", help_text="Of its documents, and of messages to its people."
    )
    automatic_on_account = models.BooleanField(
        default=False,
        help_text="Its admins may have top-ups bought automatically on account, without a card.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ClientQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("agency", "slug"), name="client_slug_once_per_agency"),
        )


class ClientMemberQuerySet(ScopedQuerySet["ClientMember"]):
    agency_path = "client__agency"
    client_path = "client"


class ClientMember(models.Model):
    """A person's part at a client: an admin may buy, a viewer may look."""

    class Role(models.TextChoices):
        ADMIN = "admin", "Admin (may buy)"
        VIEWER = "viewer", "Viewer"

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="client_memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ClientMemberQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("client", "user"), name="client_member_once"),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"
