"""An inbound text, from the provider's request to our answer, in one transaction.

Take it in once → whose number is it → what does it ask → what does that change → write it down →
answer. The answer is the return value, so it cannot leave before the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.consent import Circumstances, Standing, decide
from broadcaster.core.keywords import (
    COMMAND_RULES,
    Intent,
    Interpretation,
    interpreter_for,
)
from broadcaster.core.messages import InboundMessage, OptOutType
from broadcaster.core.sealing import seal_text
from broadcaster.ledger.entry import Method
from broadcaster.runtime import Runtime
from broadcaster.services import answering
from broadcaster.services.recording import Act, Target, record
from broadcaster.storage import deliveries, inbound, incidents, lists, people
from broadcaster.storage.models import BroadcastList, Inbound, Sender, Subscriber

# Guidance is given once in this time; otherwise two machines could talk to each other for ever.
_GUIDE_AGAIN = timedelta(hours=1)
_LEAVING = frozenset({Intent.opt_out_all, Intent.opt_out_list, Intent.erasure_request})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What is done with a message once the transaction is committed.

    Args:
        answer: the text to answer; None to answer nothing.
        withdrawn: the subscriber whose hand-overs under way the answer waits for.
    """

    answer: str | None = None
    withdrawn: int | None = None


def receive(session: Session, runtime: Runtime, message: InboundMessage) -> Handled:
    """Apply an inbound message; the same message again has no effect and gets the same answer.

    Args:
        session: an open transaction that may write.
        runtime: vocabulary, replies, keys, clock.
        message: from a request whose signature was checked.
    """
    now = runtime.clock.now()
    row = inbound.begin(session, message.sid, now)
    if row is None:
        return _handled(session.get_one(Inbound, message.sid))
    sender = lists.find_sender(session, message.sender)
    if sender is None:
        incidents.note(session, "unknown_sender", message.sender.channel.value, now)
        return Handled()
    if lists.is_own_number(session, message.author):
        incidents.note(session, "own_number", message.author.channel.value, now)
        return Handled()
    subscriber = people.lock_or_create(session, runtime.keyring, message.author, now)
    return _apply(session, runtime, message, row=row, sender=sender, subscriber=subscriber)


def is_in_flight(session: Session, subscriber_id: int) -> bool:
    """Tell whether a bulletin is being handed over to this person at this moment."""
    return deliveries.is_in_flight(session, subscriber_id)


def _apply(
    session: Session,
    runtime: Runtime,
    message: InboundMessage,
    *,
    row: Inbound,
    sender: Sender,
    subscriber: Subscriber,
) -> Handled:
    now = row.received
    every = lists.every(session)
    interpretation = interpreter_for(
        runtime.vocabulary, tuple(item.keyword for item in every)
    ).interpret(message.words)
    language = answering.language_of(interpretation, every, subscriber, runtime)
    targets = _targets(session, every, language)
    offered = lists.open_on(session, sender.id)
    decision = decide(
        interpretation,
        _standing(session, subscriber, sender, targets),
        _circumstances(runtime, message, subscriber, offered, now),
    )
    if decision.changes:
        act = _act(message, interpretation, subscriber, now)
        record(session, runtime, act, decision.changes, targets)
    if decision.block is not None:
        people.set_blocked(session, subscriber.id, sender.id, blocked=decision.block, now=now)
    answer = answering.write(runtime, decision.answers, language, targets, offered)
    row.sender_id = sender.id
    row.subscriber_id = subscriber.id
    row.intent = (
        Intent.opt_out_all if message.opt_out_type is OptOutType.STOP else interpretation.intent
    ).value
    row.rule = interpretation.rule
    row.review = decision.review.value if decision.review else None
    row.sealed = seal_text(runtime.keyring.unwrap(subscriber.key_wrapped), message.words)
    row.answer = answer
    if interpretation.lang is not None:
        subscriber.language = interpretation.lang
    if answering.guides(decision.answers):
        subscriber.guided_at = now
    session.flush()
    return _handled(row)


def _handled(row: Inbound) -> Handled:
    """Answer the first delivery of a message and every later one alike."""
    leaves = row.intent in _LEAVING
    return Handled(answer=row.answer, withdrawn=row.subscriber_id if leaves else None)


def _targets(
    session: Session, every: Sequence[BroadcastList], language: str
) -> Mapping[str, Target]:
    targets = {}
    for item in every:
        newest = lists.notices(session, item.id)
        notice = newest.get(language) or newest.get(item.language)
        targets[item.keyword] = Target(list=item, notice=notice)
    return targets


def _standing(
    session: Session, subscriber: Subscriber, sender: Sender, targets: Mapping[str, Target]
) -> Standing:
    subscriptions = people.subscriptions(session, subscriber.id)
    current, outdated, left = set(), set(), set()
    for keyword, target in targets.items():
        subscription = subscriptions.get(target.list.id)
        if subscription is None:
            continue
        if subscription.state != "in":
            left.add(keyword)
        elif target.notice is None or subscription.notice in _hashes(session, target):
            current.add(keyword)
        else:
            outdated.add(keyword)
    return Standing(
        stopped=subscriber.stopped_at is not None,
        current=frozenset(current),
        outdated=frozenset(outdated),
        left=frozenset(left),
        blocked=people.is_blocked(session, subscriber.id, sender.id),
    )


def _hashes(session: Session, target: Target) -> set[str]:
    """The newest notice counts as accepted in whichever language it was accepted."""
    return {notice.sha256 for notice in lists.notices(session, target.list.id).values()}


def _circumstances(
    runtime: Runtime,
    message: InboundMessage,
    subscriber: Subscriber,
    offered: Sequence[BroadcastList],
    now: datetime,
) -> Circumstances:
    guided = subscriber.guided_at
    return Circumstances(
        offered=frozenset(item.keyword for item in offered),
        provider_stopped=runtime.provider.answers_stop_itself(message),
        provider_lifted=runtime.provider.lifts_block_itself(message),
        provider_stop_event=message.opt_out_type is OptOutType.STOP,
        has_words=any(character.isalnum() for character in message.words),
        may_guide=guided is None or now - guided >= _GUIDE_AGAIN,
    )


def _act(
    message: InboundMessage,
    interpretation: Interpretation,
    subscriber: Subscriber,
    now: datetime,
) -> Act:
    return Act(
        subscriber=subscriber,
        method=_method(message, interpretation),
        rule=f"{interpretation.rule}@{interpretation.version}",
        actor="subject",
        evidence={
            "address": message.author.wire,
            "body": message.body,
            "button": message.button,
            "parameters": dict(message.parameters),
            "sender": message.sender.wire,
            "sid": message.sid,
        },
        occurred=now,
    )


def _method(message: InboundMessage, interpretation: Interpretation) -> Method:
    if message.opt_out_type is not None:
        return Method.PROVIDER_KEYWORD
    if message.button is not None:
        return Method.BUTTON
    by_keyword = interpretation.rule in COMMAND_RULES
    return Method.KEYWORD if by_keyword else Method.FREE_TEXT
