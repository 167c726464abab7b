"""Inviting people to an agency or a client, by their e-mail address."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from agencyportal.core.admin import extend
from agencyportal.core.admin_dialogs import Dialog, DialogForm
from agencyportal.core.powers import Power
from billing.services.invitations import invite_to_agency, invite_to_client
from clients.models import Agency, AgencyMember, Client, ClientMember

WELCOME = "They get a mail that says how to sign in."


class InvitationForm(DialogForm):
    email = forms.EmailField(
        label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(max_length=200, required=False, help_text="For somebody new here.")


class AgencyInvitationForm(InvitationForm):
    role = forms.ChoiceField(choices=AgencyMember.Role.choices, initial=AgencyMember.Role.MANAGER)


class ClientInvitationForm(InvitationForm):
    role = forms.ChoiceField(choices=ClientMember.Role.choices, initial=ClientMember.Role.ADMIN)


class InviteMember(Dialog):
    """A colleague joins the agency."""

    slug = "invite"
    title = "Invite a colleague"
    icon = "person_add"
    submit = "Invite"
    power = Power.LEAD
    form_class: ClassVar[type[DialogForm]] = AgencyInvitationForm

    def explanation(self) -> str:
        return WELCOME

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        member = invite_to_agency(
            agency=self.row,
            email=said["email"],
            name=said["name"],
            role=said["role"],
            now=self.now,
        )
        return f"{member.user.email} is {member.get_role_display()} of {self.row}. {WELCOME}"


class InviteClientMember(Dialog):
    """Somebody at the client may see, or buy."""

    slug = "invite"
    title = "Invite to the portal"
    icon = "person_add"
    submit = "Invite"
    power = Power.ACT
    form_class: ClassVar[type[DialogForm]] = ClientInvitationForm

    def explanation(self) -> str:
        return (
            "They see usage, invoices and the package of this client alone; an admin may also buy "
            f"top-ups. {WELCOME}"
        )

    def act(self, form: DialogForm) -> str:
        said = form.cleaned_data
        member = invite_to_client(
            client=self.row,
            email=said["email"],
            name=said["name"],
            role=said["role"],
            now=self.now,
        )
        return f"{member.user.email} is {member.get_role_display()} of {self.row}. {WELCOME}"


extend(Agency, dialogs=(InviteMember,))
extend(Client, dialogs=(InviteClientMember,))
