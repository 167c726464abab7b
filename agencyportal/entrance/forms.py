"""What the first run asks for, in the words of who fills it in."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.contrib.auth.password_validation import (
    password_validators_help_text_html,
    validate_password,
)
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from agencyportal.core.form_fields import PlainDecimalFormField
from agencyportal.entrance.first_run import FirstRun, is_token
from clients.models import Agency, User

PLATFORM = ("platform_name", "platform_email", "country")
OPERATOR = ("operator_name", "operator_email", "password")
AGENCY = ("agency_name", "agency_timezone", "brand_color", "fee_percent")
OWNER = ("owner_name", "owner_email")


class FirstRunForm(forms.Form):
    """The platform, its operator, the first agency and its owner."""

    token = forms.CharField(
        label=_("Token"),
        help_text=_("From the terminal in which the portal was started."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    platform_name = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("Who invoices, as printed on documents.")
    )
    platform_email = forms.EmailField(label=_("E-mail address for questions"), required=False)
    country = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label=_("Country"),
        help_text=_("Two letters, as in US or DE."),
        max_length=2,
        error_messages={"invalid": _("Two letters, as in US or DE.")},
    )
    operator_name = forms.CharField(
        label=_("Your name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    operator_email = forms.EmailField(
        label=_("Your e-mail address"),
        help_text=_("You sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html(),
    )
    agency_name = forms.CharField(label=_("Name"), max_length=200)
    agency_timezone = forms.ChoiceField(
        label=_("Time zone"),
        choices=[(name, name) for name in sorted(zoneinfo.available_timezones())],
        initial="UTC",
        help_text=_("Its months begin and end there."),
    )
    brand_color = forms.RegexField(
        r"^#[0-9a-fA-F]{6}$",
        label=_("Colour"),
        initial="#1f4e79",
        help_text=_("On its clients' pages and documents."),
        widget=forms.TextInput(attrs={"type": "color"}),
    )
    fee_percent = PlainDecimalFormField(
        label=_("The platform's share, in percent"),
        initial=5,
        min_value=0,
        max_value=100,
        max_digits=9,
        decimal_places=6,
        help_text=_("Of what its clients pay, before tax. It can be changed later."),
    )
    owner_name = forms.CharField(label=_("Owner's name"), max_length=200, required=False)
    owner_email = forms.EmailField(
        label=_("Owner's e-mail address"),
        required=False,
        help_text=_("They get a mail to choose a password. Leave it empty if it is you."),
    )

    def clean_token(self) -> str:
        text: str = self.cleaned_data["token"]
        if not is_token(text):
            raise ValidationError(_("That is not the token shown in the terminal."))
        return text

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean_agency_name(self) -> str:
        name: str = self.cleaned_data["agency_name"]
        slug = slugify(name)[:60]
        if not slug:
            raise ValidationError(_("Use at least one letter or digit."))
        if Agency.objects.filter(slug=slug).exists():
            raise ValidationError(_("There is an agency of this name."))
        return name

    def clean_operator_email(self) -> str:
        return _unused(self.cleaned_data["operator_email"])

    def clean_owner_email(self) -> str:
        return _unused(self.cleaned_data["owner_email"])

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        password = self.cleaned_data.get("password")
        if password:
            person = User(
                email=self.cleaned_data.get("operator_email", ""),
                name=self.cleaned_data.get("operator_name", ""),
            )
            try:
                validate_password(password, person)
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned

    @property
    def groups(self) -> list[tuple[Any, list[forms.BoundField]]]:
        """Title and fields of each part of the page, in order."""
        titles = (
            (_("The platform"), PLATFORM),
            (_("You, its operator"), OPERATOR),
            (_("The first agency"), AGENCY),
            (_("Its owner"), OWNER),
        )
        return [(title, [self[name] for name in names]) for title, names in titles]

    def run(self) -> FirstRun:
        """What was filled in. Only for a valid form."""
        values = {key: value for key, value in self.cleaned_data.items() if key != "token"}
        return FirstRun(**values, agency_slug=slugify(values["agency_name"])[:60])


def _unused(email: str) -> str:
    folded = email.lower()
    if folded and User.objects.filter(email=folded).exists():
        raise ValidationError(_("Somebody has this address already."))
    return folded
