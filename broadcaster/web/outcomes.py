"""What became of a bulletin, in words and numbers that add up."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from broadcaster.core.delivery import SkipReason, State
from broadcaster.services.bulletins import Report
from broadcaster.web import refusals
from broadcaster.web.formats import number
from broadcaster.web.wording import gettext as _

_CODE = re.compile(r"code_([0-9]+)")
_HAVE_IT = (State.ACCEPTED, State.SENT, State.DELIVERED, State.READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number of the account: its words, a picture and a tone beside them."""

    label: str
    count: int
    icon: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why some people did not get it."""

    count: int
    words: str


def tiles(report: Report) -> list[Tile]:
    """Return the numbers of a bulletin; together they are its audience."""
    every = [
        _tile(_("Waiting"), report.waiting, "clock", "plain"),
        _tile(_("Handed over"), report.of(State.ACCEPTED), "arrow-right", "plain"),
        _tile(_("Sent"), report.of(State.SENT), "send", "plain"),
        _tile(_("Delivered"), report.of(State.DELIVERED), "circle-check", "good"),
        _tile(_("Read"), report.of(State.READ), "eye", "good"),
        _tile(_("Failed"), report.of(State.FAILED, State.UNDELIVERED), "circle-x", "bad"),
        _tile(_("Left out"), report.of(State.SKIPPED), "ban", "plain"),
        _tile(_("Too late"), report.of(State.EXPIRED), "hourglass", "warn"),
        _tile(_("Being looked up"), report.looked_up, "search", "warn"),
        _tile(_("Undecided"), report.of(State.HELD), "circle-question-mark", "warn"),
    ]
    return [tile for tile in every if tile.count]


def have_it(report: Report) -> int:
    """Count to whom the provider took the message, as far as is known."""
    return report.of(*_HAVE_IT)


def reached_nobody(report: Report) -> bool:
    """Tell whether a bulletin is over and not one person got it, nor may have got it."""
    perhaps = have_it(report) + report.of(State.UNKNOWN, State.HELD)
    return report.audience > 0 and not report.waiting and not perhaps


def sum_line(report: Report) -> str:
    """Say that nobody is missing from the numbers."""
    shown = tiles(report)
    terms = " + ".join(number(tile.count) for tile in shown)
    total = number(sum(tile.count for tile in shown))
    if len(shown) == 1:
        return _("That is everyone who was on the list when it started.")
    return _(
        "%(terms)s = %(total)s: everyone who was on the list when it started.",
        terms=terms,
        total=total,
    )


def causes(report: Report) -> list[Cause]:
    """Return why people did not get it, the most frequent first."""
    found = [Cause(count=count, words=_skipped(reason)) for reason, count in report.skipped.items()]
    found += [Cause(count=count, words=_failed(code)) for code, count in report.failed.items()]
    late = report.of(State.EXPIRED)
    if late:
        found.append(Cause(count=late, words=_("too late: its time was over before their turn")))
    return sorted(found, key=lambda cause: -cause.count)


def doubts(report: Report) -> list[Cause]:
    """Return why nobody knows whether the provider took what is undecided, the most frequent first."""
    found = [Cause(count=count, words=doubt(why)) for why, count in report.undecided.items()]
    return sorted(found, key=lambda cause: -cause.count)


def doubt(reason: str) -> str:
    """Say why nobody knows whether the provider took a message."""
    words: dict[str, Callable[[], str]] = {
        "timeout": lambda: _("Twilio did not answer in time"),
        "connection_lost": lambda: _("the line was cut before Twilio answered"),
        "cut_answer": lambda: _("the line was cut in the middle of Twilio's answer"),
        "garbage": lambda: _("Twilio's answer made no sense"),
        "redacted": lambda: _("Twilio's list shows a message to them, but not its words"),
        "ambiguous": lambda: _("Twilio's list shows a message that it may be, or may not be"),
        "unsettled": lambda: _("nothing ran for long enough to trust Twilio's list"),
        "unreadable": lambda: _("it could not be looked up in Twilio's list"),
        "worker_lost": lambda: _("our own program was stopped in the middle of the request"),
    }
    failed = _CODE.fullmatch(reason)
    if failed:
        return _("Twilio itself failed (%(code)s)", code=failed.group(1))
    known = words.get(reason)
    return known() if known else _("Twilio gave no usable answer")


def _tile(label: str, count: int, icon: str, tone: str) -> Tile:
    return Tile(label=label, count=count, icon=icon, tone=tone)


def _skipped(reason: str) -> str:
    words: dict[str, Callable[[], str]] = {
        SkipReason.LEFT: lambda: _("left the list before their message went"),
        SkipReason.CARRIER_BLOCKED: lambda: _("blocked by the carrier after they texted STOP"),
        SkipReason.SUSPENDED: lambda: _("the number is no longer in use"),
        SkipReason.CANCELLED: lambda: _("not sent, because the bulletin was stopped"),
    }
    known = words.get(reason)
    return known() if known else _("left out: %(reason)s", reason=reason.replace("_", " "))


# Twilio's error codes that editors meet most; the provider has a sentence for each of the others.
def _failed(code: int | None) -> str:
    words: dict[int, Callable[[], str]] = {
        21211: lambda: _("not a valid number (21211)"),
        21408: lambda: _("texts to that country are switched off at Twilio (21408)"),
        21610: lambda: _("blocked by the carrier after they texted STOP (21610)"),
        21614: lambda: _("not a mobile number (21614)"),
        30003: lambda: _("the phone was off or out of reach (30003)"),
        30004: lambda: _("the carrier refused it (30004)"),
        30005: lambda: _("the number no longer exists (30005)"),
        30006: lambda: _("a landline, or a carrier that cannot be reached (30006)"),
        30007: lambda: _("the carrier took it for spam (30007)"),
        30008: lambda: _("the carrier gave no reason (30008)"),
        63016: lambda: _("outside WhatsApp's 24 hours after their last text (63016)"),
    }
    if code is None:
        return _("refused without a reason")
    known = words.get(code)
    if known:
        return known()
    return _("%(sentence)s (code %(code)s)", sentence=refusals.explain(code), code=code)
