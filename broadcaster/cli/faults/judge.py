"""The verdict: what the provider accepted, held against what the product promised and wrote down.

Everything here is a pure function of the evidence, so that the judge itself can be tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from broadcaster.cli.faults.case import Case
from broadcaster.cli.faults.evidence import Bulletin, Evidence, Journal, Member
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import OPEN, TAKEN, State

_SECOND = timedelta(seconds=1)
#: Nobody knows what became of these, and the product says so.
_LISTED = frozenset({State.UNKNOWN, State.HELD})
#: What pages count as waiting, however far it is.
_WAITING = frozenset({State.CLAIMED, State.HANDED_OVER})
_UNFINISHED = frozenset({BulletinState.SCHEDULED, BulletinState.SENDING})


class Offence(StrEnum):
    """A promise that was broken; the value is how a report says it."""

    DUPLICATE = "accepted twice"
    AFTER_STOP = "sent after an answered stop"
    UNHEARD = "started over a stop that the list showed"
    HELD = "bulletin that was held without a cause"
    NO_OUTCOME = "member without an outcome"
    LEFT_OUT = "member silently left out"
    UNRECORDED = "accepted but not recorded"
    INVENTED = "recorded but never accepted"
    NO_PERMISSION = "sent without naming the newest opt-in"
    WRONG_SUM = "numbers that do not add up"
    LEDGER = "ledger that does not verify"
    DIED = "process that died by itself"
    UNPLAYED = "round that could not be played"


@dataclass(frozen=True, slots=True)
class Finding:
    """One offence: which, and where, without a number or a text."""

    offence: Offence
    where: str


def judge(evidence: Evidence) -> list[Finding]:
    """Return every broken promise that the evidence shows."""
    case = Case(evidence)
    found = [finding for check in _CHECKS for finding in check(case)]
    if evidence.ledger_fault:
        found.append(Finding(Offence.LEDGER, evidence.ledger_fault))
    return found + [Finding(Offence.DIED, name) for name in evidence.died]


def early(journal: Journal, texts: Sequence[str]) -> list[Finding]:
    """Return what the journal alone shows already, while a round still goes on."""
    bulletins = [
        Bulletin(number=n, text=text, state="", audience=None, started=None, shown={})
        for n, text in enumerate(texts, start=1)
    ]
    case = Case(Evidence(journal=journal, bulletins=bulletins, members=(), consents={}))
    return [*_duplicates(case), *_after_stops(case)]


def busiest_second(journal: Journal, sender: str) -> int:
    """Return the most messages of one sender that were accepted within any second."""
    moments = [one.arrived for one in journal.requests if one.accepted and one.sender == sender]
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= _SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


def _duplicates(case: Case) -> Iterator[Finding]:
    """Nobody gets the same bulletin twice."""
    for (number, phone), requests in case.accepted.items():
        if len(requests) > 1:
            yield _about(case, Offence.DUPLICATE, number, phone)


def _after_stops(case: Case) -> Iterator[Finding]:
    """No request begins for somebody whose stop was answered, accepted or not."""
    for bulletin, request in case.requests:
        stops = case.stops_before(request.to, request.arrived)
        if any(one.answered and one.answered < request.arrived for one in stops):
            yield _about(case, Offence.AFTER_STOP, bulletin.number, request.to)


def _unheard(case: Case) -> Iterator[Finding]:
    """Nothing starts over a stop that came while we were down and that could be read."""
    lag = timedelta(seconds=case.evidence.list_lag) + _SECOND
    for (number, phone), requests in case.accepted.items():
        started = case.bulletin(number).started
        stops = case.stops_before(phone, started - lag) if started else []
        if stops and not case.joined_between(phone, stops[0].sent, requests[0].arrived):
            yield _about(case, Offence.UNHEARD, number, phone)


def _without_outcome(case: Case) -> Iterator[Finding]:
    """A bulletin ends, and then everybody in its audience has an outcome."""
    for bulletin in case.evidence.bulletins:
        state, audience = BulletinState(bulletin.state), case.audience(bulletin)
        if state in _UNFINISHED and not audience:
            yield Finding(Offence.NO_OUTCOME, f"bulletin {bulletin.number} never started")
        if state is BulletinState.HELD:
            # Nothing that happens here is a reason to ask a person.
            yield Finding(Offence.HELD, f"bulletin {bulletin.number}, {bulletin.held_for}")
        for member in audience:
            if state is not BulletinState.HELD and member.state in OPEN:
                yield _at(Offence.NO_OUTCOME, member)


def _left_out(case: Case) -> Iterator[Finding]:
    """Who joined in time and never left gets it: here no refusal is for good."""
    for bulletin in case.evidence.bulletins:
        if bulletin.started is None or bulletin.state != BulletinState.FINISHED:
            continue
        for phone in case.faithful(bulletin.started):
            member = case.member(bulletin.number, phone)
            if member is None or member.state not in TAKEN | _LISTED:
                yield _about(case, Offence.LEFT_OUT, bulletin.number, phone)


def _unrecorded(case: Case) -> Iterator[Finding]:
    """What was accepted is known, with its id, or is listed as unknown."""
    for (number, phone), requests in case.accepted.items():
        member = case.member(number, phone)
        known = member is not None and (
            (member.state in TAKEN and member.sid in {one.sid for one in requests})
            or member.state in _LISTED
        )
        if not known:
            yield _about(case, Offence.UNRECORDED, number, phone)


def _invented(case: Case) -> Iterator[Finding]:
    """What is recorded as accepted was accepted."""
    for member in case.evidence.members:
        if member.state in TAKEN and (member.bulletin, member.phone) not in case.accepted:
            yield _at(Offence.INVENTED, member)


def _without_permission(case: Case) -> Iterator[Finding]:
    """What was accepted names the delivery whose entry allowed it at that moment."""
    for (number, phone), requests in case.accepted.items():
        member = case.member(number, phone)
        if member is None:
            continue
        named = {one.callback.rpartition("/")[2].partition("-")[0] for one in requests}
        if named != {str(member.delivery)} or not case.is_permitted(member):
            yield _at(Offence.NO_PERMISSION, member)


def _wrong_sums(case: Case) -> Iterator[Finding]:
    """The counts that are shown are the true ones, and their sum is the audience."""
    for bulletin in case.evidence.bulletins:
        if bulletin.audience is None:
            continue
        true = Counter(_shown_as(member.state) for member in case.audience(bulletin))
        shown: Counter[State] = Counter()
        for state, number in bulletin.shown.items():
            shown[_shown_as(state)] += number
        if true != shown or sum(true.values()) != bulletin.audience:
            yield Finding(Offence.WRONG_SUM, f"bulletin {bulletin.number}")


_CHECKS = (
    _duplicates,
    _after_stops,
    _unheard,
    _without_outcome,
    _left_out,
    _unrecorded,
    _invented,
    _without_permission,
    _wrong_sums,
)


def _about(case: Case, offence: Offence, number: int, phone: str) -> Finding:
    member = case.member(number, phone)
    where = f"delivery {member.delivery}" if member else f"person …{phone[-4:]}"
    return Finding(offence, f"bulletin {number}, {where}")


def _at(offence: Offence, member: Member) -> Finding:
    return Finding(
        offence, f"bulletin {member.bulletin}, delivery {member.delivery} is {member.state}"
    )


def _shown_as(state: State) -> State:
    return State.QUEUED if state in _WAITING else state
