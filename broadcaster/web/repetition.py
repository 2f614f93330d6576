"""How often a bulletin comes again, from a form: read, asked about, and said back in words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from werkzeug.datastructures import MultiDict

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.recurrence import (
    WEEKDAYS,
    WORKDAYS,
    Gap,
    InvalidRecurrence,
    Occurrence,
    Overlap,
    Period,
    Recurrence,
    doubled,
    jumped,
)
from broadcaster.core.scheduling import find_zone, gap_end
from broadcaster.services import planning
from broadcaster.services.planning import MadeAs
from broadcaster.web import moments
from broadcaster.web.extensions import runtime
from broadcaster.web.moments import Planned
from broadcaster.web.rhythm import span, whole_day
from broadcaster.web.wording import gettext as _

ONCE = "once"
#: How many weeks apart a form offers.
ROUNDS = (1, 2, 3, 4)
# Changes of the clock within a year of the first day are asked about.
_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A change of the clock that concerns this time.

    Args:
        name: the field that answers it.
        words: what is asked.
        answers: what may be chosen: value and words.
        chosen: what was, or nothing.
    """

    name: str
    words: str
    answers: list[tuple[str, str]]
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """How often, as filled in, and what it means.

    Args:
        repeat: once, day, weekdays or week.
        weekdays: which days were ticked.
        every: one in how many weeks.
        last_date: as typed.
        made_as: what is made each time.
        recurrence: when it comes, if that is clear.
        questions: what is asked about changes of the clock.
    """

    repeat: str = ONCE
    weekdays: frozenset[int] = frozenset()
    every: int = 1
    last_date: str = ""
    made_as: MadeAs = MadeAs.SCHEDULED
    recurrence: Recurrence | None = None
    questions: list[Question] = field(default_factory=list)


class _Refused(Exception):  # noqa: N818 - reads as what it says; never leaves this module
    """What was filled in cannot be: words, and the fields that are wrong."""

    def __init__(self, words: str, *bad: str) -> None:
        super().__init__(words)
        self.words = words
        self.bad = bad


def read(filled: MultiDict[str, str], now: datetime) -> tuple[Planned, Repetition]:
    """Read a moment and how often it comes again; say what it means, or what is wrong with it."""
    chosen = _chosen(filled)
    if chosen.repeat == ONCE:
        return moments.read(filled, now), chosen
    date_, time_, zone = (filled.get(name, "") for name in ("date", "time", "zone"))
    typed = Planned(date=date_, time=time_, zone=zone)
    try:
        recurrence = _recurrence(typed, chosen, now)
        questions = _questions(recurrence, filled, now)
        chosen = replace(chosen, questions=questions)
        recurrence = _answered(recurrence, questions)
        first = _first(recurrence, now)
    except _Refused as refused:
        return moments.faulty(typed, refused.words, *refused.bad), chosen
    echo = span(recurrence, first.local_date)
    planned = replace(typed, starts_at=first.moment, echo=echo)
    return planned, replace(chosen, recurrence=recurrence)


def _first(recurrence: Recurrence, now: datetime) -> Occurrence:
    first = planning.first_of(recurrence, now)
    if first is None:
        words = _("None of these days is still to come; choose a later last day, or none.")
        raise _Refused(words, "last_date")
    return first


def _chosen(filled: MultiDict[str, str]) -> Repetition:
    """Read what was chosen; what the form does not offer counts as not chosen."""
    repeat, every = filled.get("repeat", ONCE), filled.get("every", "")
    ticked = frozenset(day for day in WEEKDAYS if str(day) in filled.getlist("weekday"))
    return Repetition(
        repeat=repeat if repeat in {"day", "weekdays", "week"} else ONCE,
        weekdays=ticked,
        every=next((number for number in ROUNDS if str(number) == every), 1),
        last_date=filled.get("last_date", ""),
        made_as=MadeAs.DRAFT if filled.get("made_as") == MadeAs.DRAFT else MadeAs.SCHEDULED,
    )


def _recurrence(typed: Planned, chosen: Repetition, now: datetime) -> Recurrence:
    local = _begins(typed, now)
    weekly = {"weekdays": WORKDAYS, "week": chosen.weekdays or frozenset({local.isoweekday()})}
    try:
        return Recurrence(
            period=Period.WEEK if chosen.repeat in weekly else Period.DAY,
            every=chosen.every if chosen.repeat == "week" else 1,
            weekdays=weekly.get(chosen.repeat, WEEKDAYS),
            local_time=local.time(),
            zone=typed.zone,
            first_date=local.date(),
            last_date=_last_date(chosen.last_date),
        )
    except InvalidRecurrence as error:
        words = _("The last day is before the first; choose a later one, or none.")
        raise _Refused(words, "last_date") from error


def _begins(typed: Planned, now: datetime) -> datetime:
    local = moments.parse(typed.date, typed.time)
    if local is None:
        raise _Refused(_("Fill in a date and a time."), "date", "time")
    try:
        today = now.astimezone(find_zone(typed.zone)).date()
    except InvalidMoment as error:
        raise _Refused(_("Choose a time zone from the list."), "zone") from error
    if local.date() < today:
        raise _Refused(_("That moment has passed; choose a later one."), "date", "time")
    furthest = timedelta(days=runtime().settings.sending.max_days_ahead)
    if local.date() - today > furthest:
        raise _Refused(moments.too_far(furthest), "date")
    return local


def _last_date(typed: str) -> date | None:
    if not typed:
        return None
    last = moments.parse(typed, "00:00")
    if last is None:
        raise _Refused(_("Fill in the last day as a date, or leave it empty."), "last_date")
    return last.date()


def _questions(
    recurrence: Recurrence, filled: MultiDict[str, str], now: datetime
) -> list[Question]:
    """Ask about the first change of each kind that concerns this time."""
    begins = datetime.combine(recurrence.first_date, recurrence.local_time, now.tzinfo)
    until = max(now, begins) + _YEAR
    time = f"{recurrence.local_time:%H:%M}"
    asked = []
    if day := jumped(recurrence, now, until):
        place = find_zone(recurrence.zone)
        following = gap_end(datetime.combine(day, recurrence.local_time), place).astimezone(place)
        words = _(
            "On %(day)s the clock jumps over %(time)s. And then?", day=whole_day(day), time=time
        )
        answers = [
            (Gap.AFTER.value, _("It goes out at %(time)s", time=f"{following:%H:%M}")),
            (Gap.SKIP.value, _("Nothing goes out that day")),
        ]
        asked.append(_question("gap", words, answers, filled))
    if day := doubled(recurrence, now, until):
        words = _(
            "On %(day)s the clock shows %(time)s twice. Which one?", day=whole_day(day), time=time
        )
        answers = [
            (Overlap.FIRST.value, _("The first")),
            (Overlap.SECOND.value, _("The second")),
        ]
        asked.append(_question("overlap", words, answers, filled))
    return asked


def _question(
    name: str, words: str, answers: list[tuple[str, str]], filled: MultiDict[str, str]
) -> Question:
    typed = filled.get(name, "")
    chosen = typed if typed in dict(answers) else ""
    return Question(name=name, words=words, answers=answers, chosen=chosen)


def _answered(recurrence: Recurrence, questions: list[Question]) -> Recurrence:
    unanswered = [one.name for one in questions if not one.chosen]
    if unanswered:
        raise _Refused(_("Say what happens when the clock changes."), *unanswered)
    answers = {one.name: one.chosen for one in questions}
    return replace(
        recurrence,
        gap=Gap(answers.get("gap", Gap.AFTER)),
        overlap=Overlap(answers.get("overlap", Overlap.FIRST)),
    )
