"""People who sign in. One e-mail address is one person, whatever agencies or clients they serve."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now

from agencyportal.core.powers import Powers
from agencyportal.core.tenancy import Access, platform_row


class UserManager(BaseUserManager["User"]):
    """Creates people by e-mail address, folded to lower case so that it is unique to a reader."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("A person needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        fields = {"is_operator": True, "is_staff": True, "is_superuser": True} | fields
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


@platform_row("a person may serve several agencies and clients; memberships are scoped")
class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may see follows from their memberships, or from being an operator."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_operator = models.BooleanField(
        default=False, help_text="Runs the platform: sees every agency."
    )
    is_staff = models.BooleanField(default=False, help_text="May sign in to the admin.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_unique_folded"),)

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return str(self)

    def access(self) -> Access:
        """Return what this person's memberships open; two queries, not cached."""
        if not self.is_active:
            return Access.nothing()
        if self.is_operator:
            return Access.all()
        return Access(
            agency_ids=frozenset(self.agency_memberships.values_list("agency_id", flat=True)),
            client_ids=frozenset(self.client_memberships.values_list("client_id", flat=True)),
        )

    def powers(self) -> Powers:
        """Return what this person's roles at agencies allow; one query, not cached."""
        if not self.is_active:
            return Powers.none()
        if self.is_operator:
            return Powers.all()
        return Powers(
            by_agency={member.agency_id: member.powers for member in self.agency_memberships.all()}
        )
