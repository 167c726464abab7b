"""The smallest models on which the vocabulary of agencyportal.core can be tried."""

from decimal import Decimal

from django.db import models
from django.db.models import Q

from agencyportal.core.append_only import AppendOnlyModel, GuardedQuerySet
from agencyportal.core.fields import (
    CurrencyField,
    MoneyField,
    NanosField,
    QuantityField,
    TimeZoneField,
)
from agencyportal.core.rendered import RenderedDocument
from agencyportal.core.tenancy import platform_row


@platform_row("for tests")
class Price(models.Model):  # noqa: DJ008
    """One column of every scale, and of every shape."""

    amount = MoneyField()
    fee = MoneyField(null=True, blank=True)
    list_price = MoneyField(db_default=Decimal("1.25"))
    quantity = QuantityField(default=Decimal(0))
    cost = NanosField(default=Decimal(0))
    currency = CurrencyField(default="USD")
    timezone = TimeZoneField(default="UTC")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(amount__gte=Decimal("-1000000")), name="price_amount_not_absurd"
            ),
        )


@platform_row("for tests")
class Receipt(AppendOnlyModel):
    """Append-only as a whole."""

    amount = MoneyField()
    note = models.CharField(max_length=50, default="")

    objects = GuardedQuerySet["Receipt"].as_manager()


@platform_row("for tests")
class Bill(AppendOnlyModel):
    """Free until it has a number; then only its state moves."""

    number = models.CharField(max_length=20, null=True, unique=True)
    state = models.CharField(max_length=10, default="draft")
    amount = MoneyField(default=Decimal(0))
    details = models.JSONField(default=dict)

    objects = GuardedQuerySet["Bill"].as_manager()


@platform_row("for tests")
class BillLine(AppendOnlyModel):
    """Sealed with its bill: nothing can be added to one that has a number."""

    bill = models.ForeignKey(Bill, on_delete=models.CASCADE, related_name="lines")
    amount = MoneyField()

    objects = GuardedQuerySet["BillLine"].as_manager()


@platform_row("for tests")
class Job(models.Model):  # noqa: DJ008
    """Work that is claimed."""

    state = models.CharField(max_length=10, default="due")
    attempts = models.IntegerField(default=0)
    after = models.ForeignKey("self", null=True, on_delete=models.SET_NULL)


@platform_row("for tests")
class Paper(RenderedDocument):
    """A file of record."""
