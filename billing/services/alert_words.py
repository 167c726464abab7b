"""What an alert says, in plain words: for its mail, the portal and the admin.

One place for all of them, so that they never tell different things. The words are English, marked
for translation; numbers, money and days are written as the client's locale has them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from agencyportal.core.formats import Formats
from agencyportal.core.periods import local_date
from billing.models import Alert, AlertKind

STRONG: Final = frozenset({"place", "value"})


@dataclass(frozen=True, slots=True)
class AlertWords:
    """``title``: in a few words, without saying where. ``reached``: what was reached, for lists.
    ``text`` and ``html``: in a sentence or two."""

    title: str
    reached: str
    text: str
    html: SafeString


def words_of(
    alert: Alert, levels: Sequence[Decimal], *, place: str, currency: str, locale: str
) -> AlertWords:
    """An alert in words. ``place``: whose usage it is, as the reader knows it."""
    formats = Formats(locale, alert.details.get("currency", currency))
    writer = _WRITERS[AlertKind(alert.kind)]
    title, reached, sentence, values = writer(alert, sorted(levels), formats)
    values = {"place": place, **values}
    return AlertWords(
        title=title % values,
        reached=reached % values,
        text=sentence % values,
        html=_html(sentence, values),
    )


def _html(sentence: str, values: Mapping[str, str]) -> SafeString:
    shown = {
        name: format_html("<strong>{}</strong>", value) if name in STRONG else escape(value)
        for name, value in values.items()
    }
    return mark_safe(escape(sentence) % shown)  # noqa: S308 - every part of it is escaped


_Written = tuple[str, str, str, dict[str, str]]


def _percent(alert: Alert, levels: Sequence[Decimal], formats: Formats) -> _Written:
    return (
        _("%(value)s of %(entitled)s %(units)s used (%(highest)s %% reached)"),
        _("%(levels)s of %(entitled)s %(units)s"),
        _(
            "%(place)s has used %(value)s of the %(entitled)s %(units)s that it has in this "
            "period. Reached: %(levels)s."
        ),
        {
            "value": formats.quantity(alert.measured),
            "entitled": formats.quantity(alert.against or Decimal(0)),
            "units": _units(alert),
            "highest": formats.quantity(levels[-1]),
            "levels": formats.listed([formats.percent(level) for level in levels]),
        },
    )


def _units_used(alert: Alert, levels: Sequence[Decimal], formats: Formats) -> _Written:
    return (
        _("%(value)s %(units)s used"),
        _("%(levels)s %(units)s used"),
        _("%(place)s has used %(value)s %(units)s in this period. Reached: %(levels)s."),
        {
            "value": formats.quantity(alert.measured),
            "units": _units(alert),
            "levels": formats.listed([formats.quantity(level) for level in levels]),
        },
    )


def _money(alert: Alert, levels: Sequence[Decimal], formats: Formats) -> _Written:
    about = _(" on %(units)s") % {"units": alert.unit.plural} if alert.unit is not None else ""
    return (
        _("%(value)s spent beyond the package%(about)s"),
        _("%(levels)s spent beyond the package%(about)s"),
        _(
            "%(place)s has spent %(value)s beyond its fees in this period%(about)s, before tax: "
            "%(overage)s for usage beyond the package and %(top_ups)s for top-ups. "
            "Reached: %(levels)s."
        ),
        {
            "value": formats.money(alert.measured),
            "about": about,
            "overage": formats.money(_number(alert, "overage")),
            "top_ups": formats.money(_number(alert, "top_ups")),
            "levels": formats.listed([formats.money(level) for level in levels]),
        },
    )


def _forecast(
    alert: Alert,
    levels: Sequence[Decimal],  # noqa: ARG001
    formats: Formats,
) -> _Written:
    runs_out = dt.datetime.fromisoformat(alert.details["runs_out_at"])
    days = int(alert.measured.to_integral_value(ROUND_FLOOR))
    early = ngettext("%(days)s day", "%(days)s days", days) % {"days": days}
    if not days:
        early = _("less than a day")
    return (
        _("%(units)s run out on about %(value)s (an estimate)"),
        _("Runs out on about %(value)s (an estimate)"),
        _(
            "At the pace so far, %(place)s runs out of %(units)s on about %(value)s, %(early)s "
            "before the period ends. This is an estimate."
        ),
        {
            "value": formats.long_day(local_date(runs_out, alert.period.timezone)),
            "units": _units(alert),
            "early": early,
        },
    )


def _spike(
    alert: Alert,
    levels: Sequence[Decimal],  # noqa: ARG001
    formats: Formats,
) -> _Written:
    usual = alert.against or Decimal(0)
    share = _("more than usual")
    if usual:
        percent = (alert.measured * 100 / usual).to_integral_value(ROUND_FLOOR)
        share = _("%(percent)s of the usual") % {"percent": formats.percent(percent)}
    return (
        _("%(value)s %(units)s in 24 hours, %(share)s"),
        _("%(value)s %(units)s in 24 hours, %(share)s"),
        _(
            "%(place)s has used %(value)s %(units)s in the last 24 hours. The same hours of the "
            "%(weeks)s weeks before came to %(usual)s on average."
        ),
        {
            "value": formats.quantity(alert.measured),
            "units": _units(alert),
            "share": share,
            "usual": formats.quantity(round(usual, 1)),
            "weeks": alert.details.get("weeks", ""),
        },
    )


def _overage(
    alert: Alert,
    levels: Sequence[Decimal],  # noqa: ARG001
    formats: Formats,
) -> _Written:
    run = int(alert.measured)
    times = ngettext(
        "in the last period", "in each of the last %(run)s periods", run
    ) % {"run": formats.quantity(alert.measured)}  # fmt: skip
    return (
        _("beyond the package's %(units)s %(times)s"),
        _("Beyond the package %(times)s"),
        _(
            "%(place)s went beyond its package's %(units)s %(times)s. "
            "A larger package may cost less."
        ),
        {"units": _units(alert), "times": times},
    )


def _margin(
    alert: Alert,
    levels: Sequence[Decimal],  # noqa: ARG001
    formats: Formats,
) -> _Written:
    price, cost = _number(alert, "price"), _number(alert, "cost")
    share = _("nothing is charged for it")
    if price > 0:
        percent = (price - cost) * 100 / price
        # Rounded down: what is below 40 % never reads as 40 %.
        share = formats.percent(percent.quantize(Decimal("0.01"), ROUND_FLOOR).normalize())
    return (
        _("margin on %(units)s below its floor (%(value)s)"),
        _("Margin on %(units)s below its floor of %(floor)s"),
        _(
            "The margin on %(units)s of %(place)s is below its floor of %(floor)s in the period "
            "from %(start)s: %(value)s. Price %(price)s, cost %(cost)s."
        ),
        {
            "value": share,
            "units": _units(alert),
            "floor": formats.percent(_number(alert, "floor_percent")),
            "start": formats.long_day(local_date(alert.period.start, alert.period.timezone)),
            "price": formats.money(price),
            "cost": formats.money(cost),
        },
    )


_WRITERS: Final[Mapping[AlertKind, Any]] = {
    AlertKind.PERCENT: _percent,
    AlertKind.UNITS: _units_used,
    AlertKind.MONEY: _money,
    AlertKind.FORECAST: _forecast,
    AlertKind.SPIKE: _spike,
    AlertKind.OVERAGE: _overage,
    AlertKind.MARGIN: _margin,
}


def _units(alert: Alert) -> str:
    return alert.unit.plural if alert.unit is not None else ""


def _number(alert: Alert, name: str) -> Decimal:
    return Decimal(alert.details[name])
