"""Mail: written down with its cause, in the same transaction; sent afterwards, one by one.

A message is sent at least once: a worker that dies after the server took it and before that was
recorded sends it again, under the same Message-ID, which mailboxes and people recognise.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from email.mime.image import MIMEImage
from email.utils import parseaddr
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, Q, QuerySet

from agencyportal.core.claims import claim
from agencyportal.core.logos import MissingLogoError, logo_png
from agencyportal.core.rendered import RenderedDocument, RenderedDocumentQuerySet
from billing.models import Mail
from billing.refusals import RefusedError
from clients.models import Agency, Client

from .document_files import read_document

STALE_AFTER: Final = dt.timedelta(minutes=15)
"""A worker that has not come back for so long is thought dead."""

BACK_OFF: Final = tuple(dt.timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))
"""How long to wait after each failure. After the last one the message is given up."""

MAX_ATTEMPTS: Final = len(BACK_OFF) + 1

_LOGO: Final = re.compile(r'<img src="cid:([0-9a-f]{64})"')

_logger = logging.getLogger(__name__)


def message(
    *,
    agency: Agency,
    client: Client | None,
    key: str,
    recipients: Sequence[str],
    subject: str,
    body_text: str,
    body_html: str = "",
    attachment_path: str = "",
    attachment_name: str = "",
    now: dt.datetime,
) -> Mail:
    """A message to be sent from ``now`` on, not saved.

    ``key`` is what it is about, once. With an attachment it waits until that document is
    rendered. Without any recipient it is kept as failed and says so, rather than being lost.
    """
    state, error = Mail.State.PENDING, ""
    if not recipients:
        state, error = Mail.State.FAILED, "There is no address to send it to."
    return Mail(
        key=key,
        agency=agency,
        client=client,
        recipients=list(recipients),
        subject=" ".join(subject.split())[:300],
        body_text=body_text,
        body_html=body_html,
        attachment_path=attachment_path,
        attachment_name=attachment_name,
        message_id=message_id(key),
        not_before=now,
        created_at=now,
        state=state,
        error=error,
    )


def queue_mail(mail: Mail) -> Mail:
    """Write a message down; call it in the transaction of its cause.

    The same key again is the first message, which is returned.
    """
    queue_mails([mail])
    return Mail.objects.get(key=mail.key)


def queue_mails(mail: Iterable[Mail]) -> None:
    """`queue_mail` of several, in one query."""
    Mail.objects.bulk_create(mail, ignore_conflicts=True)


def message_id(key: str) -> str:
    """The Message-ID of what ``key`` is about: the same whenever it is asked for."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def send_due_mail(*, now: dt.datetime, limit: int | None = None) -> int:
    """Send what is due, at most ``limit`` messages; returns how many went out.

    What fails is recorded and tried again after `BACK_OFF`, at last given up, and holds up no
    other. No transaction is open while one is sent.
    """
    sent = tried = 0
    while limit is None or tried < limit:
        mail = _claim(now)
        if mail is None:
            break
        tried += 1
        sent += _send(mail, now)
    return sent


def try_mail_again(*, mail: Mail, now: dt.datetime) -> None:
    """Put a message that was given up back into the queue, with all its attempts.

    Raises RefusedError for one that has not failed, and for one that has no address: whatever it
    is about has to be sent again, once somebody has one.
    """
    if not mail.recipients:
        raise RefusedError("It has no address. Give its readers one, and send it again from there.")
    failed = Mail.objects.filter(pk=mail.pk, state=Mail.State.FAILED)
    if not failed.update(state=Mail.State.PENDING, attempts=0, claimed_at=None, not_before=now):
        raise RefusedError(f"{mail} has not failed, so there is nothing to try again.")


def due_mail(*, now: dt.datetime) -> QuerySet[Mail]:
    """Messages that would be sent now: due, or left by a worker that died; documents ready."""
    due = Q(state=Mail.State.PENDING, not_before__lte=now)
    stale = Q(
        state=Mail.State.SENDING,
        claimed_at__lte=now - STALE_AFTER,
        attempts__lt=MAX_ATTEMPTS,  # a message that kills its worker is not tried for ever
    )
    ready = Q(attachment_path="")
    for model in _document_models():
        ready |= Q(attachment_path__in=_rendered(model).values("path"))
    return Mail.objects.filter(due | stale, ready)


def _document_models() -> list[type[RenderedDocument]]:
    """Every kind of document, of this app and of those above it."""
    return [model for model in apps.get_models() if issubclass(model, RenderedDocument)]


def _rendered(model: type[RenderedDocument]) -> RenderedDocumentQuerySet[RenderedDocument]:
    return RenderedDocumentQuerySet(model).rendered()


def _claim(now: dt.datetime) -> Mail | None:
    claimed = claim(
        due_mail(now=now).order_by("not_before", "pk"),
        set={"state": Mail.State.SENDING, "claimed_at": now, "attempts": F("attempts") + 1},
        limit=1,
    )
    return Mail.objects.select_related("agency").get(pk=claimed[0]) if claimed else None


def _send(mail: Mail, now: dt.datetime) -> bool:
    try:
        _message(mail).send()
    except Exception as error:
        _logger.exception("sending mail %s failed", mail.key)
        _record_failure(mail, f"{type(error).__name__}: {error}"[:2000], now)
        return False
    return _record(mail, state=Mail.State.SENT, sent_at=now, error="")


def _message(mail: Mail) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.body_text,
        to=mail.recipients,
        reply_to=[mail.agency.email] if mail.agency.email else None,
        headers={"Message-ID": mail.message_id},
    )
    if mail.body_html:
        message.attach_alternative(mail.body_html, "text/html")
        for sha256 in dict.fromkeys(_LOGO.findall(mail.body_html)):
            _attach_logo(message, sha256)
    if mail.attachment_path:
        content = read_document(_document_at(mail.attachment_path))
        message.attach(mail.attachment_name, content, "application/pdf")
    return message


def _attach_logo(message: EmailMultiAlternatives, sha256: str) -> None:
    """A part of the message that its HTML shows. Where it is lost the HTML has the name instead:
    a message of record does not wait for a picture."""
    try:
        image = MIMEImage(logo_png(sha256))
    except MissingLogoError:
        _logger.exception("a message goes without its logo")
        return
    image.add_header("Content-ID", f"<{sha256}>")
    image.add_header("Content-Disposition", "inline", filename="logo.png")
    message.attach(image)


def _document_at(path: str) -> RenderedDocument:
    for model in _document_models():
        found = _rendered(model).filter(path=path).first()
        if found is not None:
            return found
    raise LookupError(f"No document is stored at {path}.")


def _record_failure(mail: Mail, error: str, now: dt.datetime) -> None:
    if mail.attempts >= MAX_ATTEMPTS:
        _record(mail, state=Mail.State.FAILED, error=error)
        return
    wait = BACK_OFF[mail.attempts - 1]
    _record(mail, state=Mail.State.PENDING, error=error, not_before=now + wait)


def _record(mail: Mail, **outcome: Any) -> bool:
    """Write an attempt's outcome, unless another worker has taken over since."""
    mine = Mail.objects.filter(pk=mail.pk, state=Mail.State.SENDING, attempts=mail.attempts)
    return mine.update(**outcome) == 1
