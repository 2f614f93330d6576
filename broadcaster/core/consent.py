"""What a text changes: interpretation and standing in, ledger events and answers out.

Opting out is generous, opting in is exact. A text that changes nothing says so. Whatever the
order of events, a stop wins over everything but a later, explicit request to join a list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from broadcaster.core.keywords import AUTOMATIC_RULES, Intent, Interpretation
from broadcaster.core.replies import Reply
from broadcaster.ledger.entry import ALL_LISTS, Event, State

_LEAVING = frozenset({Event.OPT_OUT, Event.OPT_OUT_ALL})


class Review(StrEnum):
    """Why a text is put before a person."""

    ACCESS = "access"
    ERASURE = "erasure"
    UNSURE = "unsure"
    QUESTION = "question"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a person before their text is decided.

    Args:
        stopped: they stopped everything, and have asked for nothing since.
        current: keywords of the lists they are on, under the notice that holds now.
        outdated: keywords of the lists they are on, under an earlier notice.
        left: keywords of the lists they have left, on record.
        blocked: the provider itself blocks them on the sender they wrote to.
    """

    stopped: bool = False
    current: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of the text beside its words.

    Args:
        offered: keywords of the lists that are open on the sender it was sent to.
        provider_stopped: the provider has confirmed the stop and now blocks the person.
        provider_lifted: the provider has lifted its block at this text.
        provider_stop_event: the provider itself says that this was a stop.
        provider_helped: the provider has given the help that the operator wrote there.
        has_words: there is something in it that a person might want to read.
        may_guide: we have not told this person in the last hour how to use us.
    """

    offered: frozenset[str]
    provider_stopped: bool = False
    provider_lifted: bool = False
    provider_stop_event: bool = False
    provider_helped: bool = False
    has_words: bool = True
    may_guide: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One entry to write.

    Args:
        event: what happened.
        state: how consent for the list stands after it.
        list: the list's keyword, or ``*``.
    """

    event: Event
    state: State
    list: str = ALL_LISTS


@dataclass(frozen=True, slots=True)
class Answer:
    """One message to answer, and the lists it speaks of."""

    reply: Reply
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All that follows from one text.

    Args:
        changes: entries to write, in order.
        answers: what to answer, in order; none when the provider has answered or nothing is due.
        review: why a person should read it, if one should.
        block: True when the provider now blocks the person, False when it lifted its block.
    """

    changes: tuple[Change, ...] = ()
    answers: tuple[Answer, ...] = ()
    review: Review | None = None
    block: bool | None = None


def decide(
    interpretation: Interpretation, standing: Standing, circumstances: Circumstances
) -> Decision:
    """Decide what a text changes and what is answered. Pure; the caller writes it down."""
    intent = interpretation.intent
    if circumstances.provider_stop_event:
        intent = Intent.opt_out_all
    decision = _RULES[intent](interpretation, standing, circumstances)
    return _with_provider(decision, standing, circumstances)


def _stop_all(
    interpretation: Interpretation, standing: Standing, _circumstances: Circumstances
) -> Decision:
    wants_access = Intent.data_access_request in interpretation.also
    wants_erasure = Intent.erasure_request in interpretation.also
    answers = [Answer(Reply.STOPPED)]
    if wants_access:
        answers.append(Answer(Reply.ACCESS))
    review = Review.ACCESS if wants_access else Review.ERASURE if wants_erasure else None
    return Decision(changes=_withdraw_all(standing), answers=tuple(answers), review=review)


def _leave(
    interpretation: Interpretation, standing: Standing, circumstances: Circumstances
) -> Decision:
    changes = tuple(
        Change(Event.OPT_OUT, State.WITHDRAWN, keyword)
        for keyword in interpretation.lists
        if keyword not in standing.left
    )
    answers: tuple[Answer, ...] = (Answer(Reply.LEFT, interpretation.lists),)
    if not interpretation.also_in:
        return Decision(changes=changes, answers=answers)
    joined = _join_lists(interpretation.also_in, standing, circumstances)
    return Decision(changes=changes + joined.changes, answers=answers + joined.answers)


def _join(
    interpretation: Interpretation, standing: Standing, circumstances: Circumstances
) -> Decision:
    return _join_lists(interpretation.lists, standing, circumstances)


def _join_lists(
    keywords: tuple[str, ...], standing: Standing, circumstances: Circumstances
) -> Decision:
    changes: list[Change] = []
    answers: list[Answer] = []
    for keyword in keywords:
        if keyword not in circumstances.offered:
            answers.append(Answer(Reply.CLOSED))
        elif keyword in standing.current:
            answers.append(Answer(Reply.JOINED_ALREADY, (keyword,)))
        else:
            changes.append(Change(Event.OPT_IN, State.GIVEN, keyword))
            answers.append(Answer(Reply.JOINED, (keyword,)))
    return Decision(changes=tuple(changes), answers=tuple(dict.fromkeys(answers)))


def _restart(
    _interpretation: Interpretation, standing: Standing, _circumstances: Circumstances
) -> Decision:
    if standing.current or standing.outdated:
        # Nothing was stopped; they are told what they can do rather than that they are on no list.
        return Decision(answers=(Answer(Reply.HELP),))
    changes = (Change(Event.RESTART, State.WITHDRAWN),) if standing.stopped else ()
    return Decision(changes=changes, answers=(Answer(Reply.RESTARTED),))


def _help(
    _interpretation: Interpretation, _standing: Standing, circumstances: Circumstances
) -> Decision:
    return Decision(answers=() if circumstances.provider_helped else (Answer(Reply.HELP),))


def _access(
    _interpretation: Interpretation, _standing: Standing, _circumstances: Circumstances
) -> Decision:
    return Decision(answers=(Answer(Reply.ACCESS),), review=Review.ACCESS)


def _erasure(
    _interpretation: Interpretation, standing: Standing, _circumstances: Circumstances
) -> Decision:
    return Decision(
        changes=_withdraw_all(standing),
        answers=(Answer(Reply.ERASURE),),
        review=Review.ERASURE,
    )


def _guide(
    interpretation: Interpretation, _standing: Standing, circumstances: Circumstances
) -> Decision:
    if interpretation.rule in AUTOMATIC_RULES:
        return Decision()
    if interpretation.unsure:
        asked = (Answer(Reply.UNSURE),) if circumstances.may_guide else ()
        return Decision(answers=asked, review=Review.UNSURE)
    return Decision(
        answers=(Answer(Reply.GUIDE),) if circumstances.may_guide else (),
        review=Review.QUESTION if circumstances.has_words else None,
    )


def come_late(decision: Decision, *, is_overtaken: bool) -> Decision:
    """Leave of a decision what a text still brings about that was taken in long after it was sent.

    A stop always counts. Joining does not: its confirmation would come too late, or the person has
    asked for something else since. A person reads it.

    Args:
        decision: what it would have brought about in time.
        is_overtaken: the person did something later that was taken in first.
    """
    changes = tuple(change for change in decision.changes if change.event in _LEAVING)
    block = None if is_overtaken else decision.block
    if changes == decision.changes:
        return replace(decision, block=block)
    review = decision.review or Review.UNSURE
    return Decision(changes=changes, review=review, block=block)


_RULES = {
    Intent.opt_out_all: _stop_all,
    Intent.opt_out_list: _leave,
    Intent.opt_in_list: _join,
    Intent.start_again: _restart,
    Intent.help: _help,
    # No terms question is ever open yet, so agreeing agrees to nothing.
    Intent.terms_agree: _guide,
    Intent.data_access_request: _access,
    Intent.erasure_request: _erasure,
    Intent.none: _guide,
}


def _withdraw_all(standing: Standing) -> tuple[Change, ...]:
    """Everything ends; a second stop with nothing left to end is no new event."""
    if standing.stopped and not standing.current and not standing.outdated:
        return ()
    return (Change(Event.OPT_OUT_ALL, State.WITHDRAWN),)


def _with_provider(
    decision: Decision, standing: Standing, circumstances: Circumstances
) -> Decision:
    """Add what the provider did by itself; it blocks, lifts and answers without asking us."""
    changes, answers, block = decision.changes, decision.answers, decision.block
    if circumstances.provider_stopped:
        # It has confirmed the stop, and would refuse a second message (Twilio error 21610).
        answers, block = (), True
    elif circumstances.provider_lifted:
        block = False
        if standing.blocked:
            changes = (Change(Event.PROVIDER_START, State.WITHDRAWN), *changes)
    elif standing.blocked:
        # The provider would refuse our answer as well; only START there lifts its block.
        answers = ()
    return Decision(changes=changes, answers=answers, review=decision.review, block=block)
