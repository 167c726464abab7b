"""What billing's dialogs share: a refusal is an answer, shown with the form."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.core.exceptions import ValidationError

from agencyportal.core.admin_dialogs import Dialog, DialogForm
from billing.refusals import RefusedError

OPEN_STATES = {"open": "info", "closing": "warning", "closed": "success", "withdrawn": "default"}
INVOICE_STATES = {
    "draft": "default",
    "issued": "info",
    "partially_paid": "warning",
    "overdue": "danger",
    "paid": "success",
    "void": "default",
    "uncollectible": "danger",
}


class ReasonForm(DialogForm):
    """Why; kept with what is done."""

    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


class BillingDialog(Dialog):
    """A dialog that calls one of billing's services."""

    refusals: ClassVar[tuple[type[Exception], ...]] = (RefusedError, ValidationError)
