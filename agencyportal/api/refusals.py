"""What the services refuse, as problems."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError

from agencyportal.core.problems import FieldError, Problem, ProblemError
from billing.refusals import NotAdmittedError, RefusedError
from billing.services.reservations import ConflictError
from clients.services.corrections import CorrectionConflictError, CorrectionRefusedError
from clients.submission import EventsRefused

_logger = logging.getLogger(__name__)


@contextmanager
def as_problems() -> Iterator[None]:
    """402 where a cap says no, 409 where something else stands, 400 for what makes no sense."""
    try:
        yield
    except NotAdmittedError as refused:
        found = {"cap": refused.cap, "question": refused.question}
        more = {name: what for name, what in found.items() if what}
        raise ProblemError(Problem(402, str(refused), more=more)) from None
    except ConflictError as refused:
        raise ProblemError(Problem(409, str(refused))) from None
    except RefusedError as refused:
        errors = [FieldError(str(refused), refused.field)] if refused.field else []
        raise ProblemError(Problem(400, str(refused), errors=errors)) from None
        raise ProblemError(Problem(400, str(refused))) from None
    except CorrectionConflictError as refused:
        raise ProblemError(Problem(409, str(refused))) from None
    except CorrectionRefusedError as refused:
        raise invalid([FieldError(str(refused), refused.field or None)]) from None
    except EventsRefused as refused:
        errors = [FieldError(message, field) for _, field, message in refused.errors]
        raise invalid(errors) from None
    except OperationalError:
        _logger.exception("A call failed; the caller was asked to try again")
        detail = "The database is busy. Nothing was stored; sending the same again is safe."
        raise ProblemError(Problem(503, detail, headers={"Retry-After": "1"})) from None


def invalid(errors: list[FieldError]) -> ProblemError:
    """A 400 that names what is wrong, and where."""
    count = "One thing is" if len(errors) == 1 else f"{len(errors)} things are"
    detail = f"{count} wrong with what was sent; nothing was stored."
    return ProblemError(Problem(400, detail, errors=errors))
