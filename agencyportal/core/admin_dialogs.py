"""What can be done to a row from its page in the admin: a question, a form, one service.

Unfold runs the links of its actions on GET; nothing of ours changes anything on GET. A dialog is
asked for with GET and done with POST, in the page's own window where there is JavaScript and as a
page of its own where there is not. The form carries a key made with it, so that sending it twice
does the thing once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import now as clock
from unfold.enums import ActionVariant
from unfold.widgets import CHECKBOX_CLASSES, INPUT_CLASSES, SELECT_CLASSES, TEXTAREA_CLASSES

from agencyportal.core.powers import Power, powers_in
from agencyportal.core.tenancy import agency_id_of

TEMPLATE = "admin/dialog.html"
REFERENCE_LENGTH = 8
_NO_ANSWERS = ("seen", "csrfmiddlewaretoken")

_Answer = TypeVar("_Answer")

Done = str | tuple[str, HttpResponse]
"""What was done, in words; and the page that shows it, if it has one."""


class DialogForm(forms.Form):
    """What a dialog asks for. ``key`` is made with the form and makes it this one; ``seen`` says
    which answers a preview was shown for."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=64)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False, initial="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4().hex
        visible = [field for field in self.fields.values() if not field.widget.is_hidden]
        for field in visible:
            dress(field.widget)
        if visible:
            visible[0].widget.attrs["autofocus"] = True


def dress(widget: forms.Widget) -> None:
    """Give a plain widget the looks of the admin's own."""
    if isinstance(widget, forms.CheckboxInput):
        classes = CHECKBOX_CLASSES
    elif isinstance(widget, forms.Select):
        classes = SELECT_CLASSES
        widget.template_name = "unfold/widgets/select.html"
    elif isinstance(widget, forms.Textarea):
        classes = TEXTAREA_CLASSES
    else:
        classes = INPUT_CLASSES
    widget.attrs.setdefault("class", " ".join(classes))


class DayField(forms.DateField):
    """A day that begins and ends in every time zone: the calendar's own first and last ones begin
    before, or end after, the instants that there are."""

    default_validators = [
        MinValueValidator(dt.date.min + dt.timedelta(days=7)),
        MaxValueValidator(dt.date.max - dt.timedelta(days=7)),
    ]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=day_input(), **kwargs)


def day_input() -> forms.DateInput:
    """The browser's own date field, which keyboards and phones know."""
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class Dialog:
    """One thing that can be done to a row. Subclasses say what, and call one service in `act`.

    ``refusals`` are the errors in words for people: shown with the form, at the field that
    `field_of` names. Whoever lacks ``power`` over the row gets 403, and sees no button.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str] = "bolt"
    submit: ClassVar[str]
    danger: ClassVar[bool] = False
    power: ClassVar[Power] = Power.ACT
    form_class: ClassVar[type[DialogForm]] = DialogForm
    refusals: ClassVar[tuple[type[Exception], ...]] = (ValidationError,)

    def __init__(self, request: HttpRequest, row: Any, now: dt.datetime | None = None) -> None:
        self.request = request
        self.row = row
        self.now = now or clock()

    # -- what subclasses say --------------------------------------------------------------------

    def is_offered(self) -> bool:
        """Whether the row's page has a button for it."""
        return True

    def why_not(self) -> str:
        """Why it cannot be done now, in place of the form; empty when it can."""
        return ""

    def facts(self) -> list[tuple[str, str]]:
        """What to know before deciding: names and values."""
        return []

    def explanation(self) -> str:
        """A sentence on what will happen."""
        return ""

    def form(self, data: Any = None) -> DialogForm:
        return self.form_class(data)

    def act(self, form: DialogForm) -> Done:
        """Do it, and say what was done; with a page of one's own where words are not enough."""
        raise NotImplementedError

    def preview(self, form: DialogForm) -> list[tuple[str, str]]:  # noqa: ARG002
        """What it would come to, shown before it is done; nothing: it is done at once."""
        return []

    def field_of(self, error: Exception) -> str | None:
        """The field that a refusal is about, if it is one's."""
        return getattr(error, "field", "") or None

    # -- what they may rely on ------------------------------------------------------------------

    @property
    def has_preview(self) -> bool:
        """Whether what it would come to is shown before it is done."""
        return type(self).preview is not Dialog.preview

    @property
    def first_submit(self) -> str:
        """What the button says before a preview was shown."""
        return "Preview" if self.has_preview else self.submit

    @property
    def user(self) -> Any:
        return self.request.user

    def key(self, form: DialogForm) -> str:
        """The form's key within the row: what makes the service do it once.

        With the row in it, so that nobody's key can be anybody else's.
        """
        return f"{self.slug}:{self.row.pk}:{form.cleaned_data['key']}"

    @classmethod
    def is_allowed(cls, request: HttpRequest, row: models.Model) -> bool:
        return powers_in(request).may(cls.power, agency_id_of(row))


class DialogView:
    """Answers for one kind of dialog on the rows of one ModelAdmin."""

    def __init__(self, model_admin: Any, dialog: type[Dialog]) -> None:
        self.model_admin = model_admin
        self.dialog = dialog

    def __call__(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.model_admin.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.dialog.is_allowed(request, row):
            raise PermissionDenied
        dialog = self.dialog(request, row)
        if request.method != "POST":
            return self._page(request, dialog, None if dialog.why_not() else dialog.form())
        form = dialog.form(request.POST)
        if form.is_valid() and (preview := self._preview(dialog, form)) is not None:
            return self._page(request, dialog, form, preview)
        outcome = self._try(dialog, form) if form.is_valid() else None
        if outcome is None:
            return self._page(request, dialog, form)
        message, page = (outcome, None) if isinstance(outcome, str) else outcome
        self._note(request, row, message, form)
        if page is not None:
            return page
        messages.success(request, message)
        return self._back(request, row)

    def _try(self, dialog: Dialog, form: DialogForm) -> Done | None:
        """What was done, or None with the reason in the form."""
        return _answered(dialog, form, dialog.act)

    def _preview(self, dialog: Dialog, form: DialogForm) -> list[tuple[str, str]] | None:
        """What to show before it is done: None once these very answers were seen with it, or
        where there is nothing to show or a refusal in the form."""
        if not dialog.has_preview:
            return None
        seen = _fingerprint(dialog.request.POST)
        if form.cleaned_data["seen"] == seen:
            return None
        preview = _answered(dialog, form, dialog.preview)
        if preview:
            said: Any = form.data
            said = said.copy()
            said["seen"] = seen
            form.data = said
        return preview or None

    def _note(
        self, request: HttpRequest, row: models.Model, message: str, form: DialogForm
    ) -> None:
        """Write it into the row's history, once however often the form was sent."""
        reference = f" · {form.cleaned_data['key'][:REFERENCE_LENGTH]}"
        if not self.model_admin.has_been_noted(row, reference):
            self.model_admin.log_change(request, row, message + reference)

    def _page(
        self,
        request: HttpRequest,
        dialog: Dialog,
        form: DialogForm | None,
        preview: list[tuple[str, str]] | None = None,
    ) -> TemplateResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": dialog.title,
            "subtitle": str(dialog.row),
            "dialog": dialog,
            "form": form,
            "preview": preview,
            "why_not": dialog.why_not() if form is None else "",
            "here": request.path,
            "back": change_url(dialog.row),
            "opts": None,
        }
        return TemplateResponse(request, TEMPLATE, context)

    def _back(self, request: HttpRequest, row: models.Model) -> HttpResponse:
        url = change_url(row)
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


def _fingerprint(posted: QueryDict) -> str:
    """Which answers these are. By what was sent and not by the form's fields: some of those may be
    gone once it was done, and the same form sent again is still the same."""
    answers = [(name, values) for name, values in posted.lists() if name not in _NO_ANSWERS]
    return hashlib.sha256(repr(sorted(answers)).encode()).hexdigest()


def _answered(
    dialog: Dialog, form: DialogForm, ask: Callable[[DialogForm], _Answer]
) -> _Answer | None:
    """What a dialog answers, or None with the refusal in the form."""
    try:
        return ask(form)
    except ValidationError as error:
        _add_validation_error(form, error)
    except dialog.refusals as error:
        field = dialog.field_of(error)
        form.add_error(field if field in form.fields else None, str(error))
    return None


def _add_validation_error(form: DialogForm, error: ValidationError) -> None:
    """By field where the form has it; what is about others goes above the form."""
    if not hasattr(error, "error_dict"):
        form.add_error(None, error)
        return
    for name, errors in error.error_dict.items():
        target = None if name == NON_FIELD_ERRORS or name not in form.fields else name
        form.add_error(target, errors)


def change_url(row: models.Model) -> str:
    """The page of a row in the admin."""
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(row.pk,))


def list_url(model: type[models.Model], **query: str) -> str:
    """The list of a model in the admin, filtered."""
    meta = model._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return f"{url}?{urlencode(query)}" if query else url


def button(dialog: type[Dialog], url: str) -> dict[str, Any]:
    """What Unfold's header shows for a dialog: a link that opens it in the page's window."""
    return {
        "title": dialog.title,
        "icon": dialog.icon,
        "variant": ActionVariant.DANGER if dialog.danger else ActionVariant.DEFAULT,
        "attrs": {},
        "dialog": True,
        "path": url,
    }


def link(title: str, icon: str, url: str) -> dict[str, Any]:
    """What Unfold's header shows for a link that only reads."""
    return {
        "title": title,
        "icon": icon,
        "variant": ActionVariant.DEFAULT,
        "attrs": {"target": "_blank", "rel": "noopener"},
        "dialog": None,
        "path": url,
    }
