"""Figures of the admin's home page, each with the list of what it counts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest

from agencyportal.core.admin_dialogs import list_url
from agencyportal.core.admin_filters import visible
from billing.models import Subscription
from billing.selectors.trials import trials_ending


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name, a note, and the list of what it counts."""

    name: str
    value: str
    url: str
    note: str = ""
    is_estimate: bool = False
    level: str = ""
    icon: str = ""


def trials_ending_figure(request: HttpRequest, moment: dt.datetime) -> Figure:
    ending = trials_ending(visible(request, Subscription), moment).count()
    return Figure(
        "Trials ending",
        str(ending),
        list_url(Subscription, trial="ending"),
        "within seven days; paid from then on",
        level="warning" if ending else "",
        icon="hourglass_bottom",
    )
