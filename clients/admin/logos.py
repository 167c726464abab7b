"""The dialogs that put a logo on an agency's documents and take it off."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agencyportal.core.admin_columns import told
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.logos import MissingLogoError, logo_uri
from agencyportal.core.powers import Power
from clients.logo_images import MAX_BYTES, LogoError, printable_logo
from clients.models import Agency
from clients.services.logos import remove_logo, set_logo


class LogoField(forms.FileField):
    """A picture that can be a logo; its value is the file's content."""

    widget = forms.FileInput(attrs={"accept": "image/png,image/jpeg"})

    def clean(self, data: Any, initial: Any = None) -> Any:
        upload = super().clean(data, initial)
        if upload.size > MAX_BYTES:  # before it is read into memory
            raise forms.ValidationError(f"The file is larger than {MAX_BYTES // 1024**2} MB.")
        content = upload.read()
        try:
            printable_logo(content)
        except LogoError as error:
            raise forms.ValidationError(str(error)) from error
        return content


class LogoForm(DialogForm):
    picture = LogoField(
        help_text="PNG or JPEG, up to 2 MB, to be seen on white. Documents print it 15 mm high or "
        "62 mm wide at most."
    )


class SetLogo(Dialog):
    """Takes over a picture for the documents issued from now on."""

    slug = "logo"
    title = "Logo"
    icon = "image"
    submit = "Use this logo"
    power = Power.LEAD
    form_class: ClassVar[type[DialogForm]] = LogoForm
    refusals = (LogoError,)

    def explanation(self) -> str:
        return (
            "It stands at the head of invoices, credit notes and statements issued from now on, in "
            "place of the name. What was issued before stays as it is."
        )

    def form(self, data: Any = None) -> DialogForm:
        return self.form_class(data, None if data is None else self.request.FILES)

    def act(self, form: DialogForm) -> str:
        set_logo(agency=self.row, content=form.cleaned_data["picture"])
        return "The logo was replaced."


class RemoveLogo(Dialog):
    """Goes back to the agency's name."""

    slug = "remove_logo"
    title = "Remove logo"
    icon = "hide_image"
    submit = "Print the name instead"
    power = Power.LEAD

    def is_offered(self) -> bool:
        return bool(self.row.logo)

    def why_not(self) -> str:
        return "" if self.row.logo else "There is no logo to remove."

    def act(self, form: DialogForm) -> str:  # noqa: ARG002 - it asks nothing
        remove_logo(agency=self.row)
        return "The logo was removed."


@told("Logo")
def logo(agency: Any) -> SafeString | str:
    """The picture itself, as documents print it."""
    if not agency or not agency.logo:
        return "None: documents print the name."
    try:
        uri = logo_uri(cast(Agency, agency).logo)
    except MissingLogoError as error:
        return str(error)
    return format_html('<img src="{}" alt="{}" class="console-logo">', uri, agency.name)
