"""The form in which a client's admin says what is to be bought automatically."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from agencyportal.core.form_fields import PlainDecimalFormField, WholeNumberFormField
from agencyportal.portal.visits import Visit
from billing.models import TopUpBand, TopUpConsent
from billing.services.automatic_consent import MOST_A_MONTH
from billing.services.automatic_terms import Wanted
from billing.services.stripe_customers import customer_of

ASKED: Final = ("band", "threshold", "max_count", "max_amount", "pay")


class AutomaticForm(forms.Form):
    """What, when, how much at most, and how it is paid. Valid, it gives a `Wanted`."""

    band = forms.ChoiceField(label=_("What is bought"))
    threshold = PlainDecimalFormField(
        label=_("When so many or fewer are left"),
        max_digits=15,
        decimal_places=6,
        min_value=Decimal(0),
    )
    max_count = WholeNumberFormField(
        label=_("At most so many a month"), min_value=1, max_value=MOST_A_MONTH, initial=2
    )
    max_amount = PlainDecimalFormField(
        label=_("At most so much money a month"),
        max_digits=14,
        decimal_places=4,
        min_value=Decimal(0),
    )
    pay = forms.ChoiceField(label=_("How it is paid"))

    def __init__(
        self, *args: Any, visit: Visit, bands: list[TopUpBand], currency: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self._bands = {str(band.pk): band for band in bands}
        price = visit.writing.price
        self.fields["band"] = forms.ChoiceField(
            label=_("What is bought"),
            choices=[
                (key, f"{band.name}: {price(band.price, currency)}")
                for key, band in self._bands.items()
            ],
            help_text=_("The price is before tax."),
        )
        money = _(
            "In %(currency)s, with tax. A calendar month in your time zone; both limits hold."
        )
        self.fields["max_amount"].help_text = money % {"currency": currency}
        self.ways = ways_to_pay(visit)
        self.fields["pay"] = forms.ChoiceField(label=_("How it is paid"), choices=self.ways)

    @property
    def wanted(self) -> Wanted:
        said = self.cleaned_data
        return Wanted(
            band=self._bands[said["band"]],
            threshold=said["threshold"],
            max_count=said["max_count"],
            max_amount=said["max_amount"],
            pay=said["pay"],
        )


def ways_to_pay(visit: Visit) -> list[tuple[str, Any]]:
    """The saved card, if there is one; on account, where the agency allows it."""
    customer = customer_of(visit.client)
    card = customer.card_in_words if customer is not None else ""
    ways: list[tuple[str, Any]] = []
    if card:
        ways.append((TopUpConsent.Pay.CARD.value, _("%(card)s, at once") % {"card": card}))
    if visit.client.automatic_on_account:
        ways.append((TopUpConsent.Pay.ACCOUNT.value, _("On your next invoice")))
    return ways
