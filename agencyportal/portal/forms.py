"""What a client's people fill in."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.scenario import STARTS
from billing.services.requests import LONGEST_NOTE


class BuyForm(forms.Form):
    """The key makes one form one purchase, however often it is sent."""

    key = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            "required": _("This form was incomplete. Nothing was bought; please try again."),
            "invalid": _("This form was damaged. Nothing was bought; please try again."),
        },
    )

    pay = forms.ChoiceField(
        choices=[(pay, pay) for pay in ("account", "page", "card")],
        required=False,
        widget=forms.HiddenInput,
    )
    save_card = forms.BooleanField(
        label=_("Save the card for later top-ups"),
        required=False,
    )
    starts = forms.ChoiceField(
        choices=[(starts, starts) for starts in STARTS], required=False, widget=forms.HiddenInput
    )

    @classmethod
    def fresh(cls) -> BuyForm:
        return cls(initial={"key": uuid.uuid4()})


class AskForm(forms.Form):
    """A request to whoever may buy."""

    note = forms.CharField(
        label=_("What is it for?"),
        required=False,
        max_length=LONGEST_NOTE,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("Shown to whoever decides."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
