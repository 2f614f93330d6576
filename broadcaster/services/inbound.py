"""An inbound text, from the provider's request to our answer, in one transaction.

Take it in once → whose number is it → what does it ask → what does that change → write it down →
answer. The answer is the return value, so it cannot leave before the commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.consent import Decision, come_late, decide
from broadcaster.core.keywords import COMMAND_RULES, Intent, Interpretation, interpreter_for
from broadcaster.core.messages import InboundMessage, OptOutType
from broadcaster.core.sealing import seal_text
from broadcaster.ledger.entry import ConsentEntry, Method, State, parse
from broadcaster.runtime import Runtime
from broadcaster.services import answering
from broadcaster.services.recording import Act, record
from broadcaster.services.standing import circumstances_of, standing_of, targets_of
from broadcaster.storage import deliveries, hearing, inbound, incidents, ledger, lists, people
from broadcaster.storage.models import BroadcastList, Inbound, Sender, Subscriber

#: A text that is older than this is not answered any more: nobody expects it, and WhatsApp refuses.
ANSWERED_WITHIN = timedelta(hours=24)
_LEAVING = frozenset({Intent.opt_out_all, Intent.opt_out_list, Intent.erasure_request})


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What is done with a message once the transaction is committed.

    Args:
        answers: the texts to answer, a message each; usually one, sometimes none.
        withdrawn: the subscriber whose hand-overs under way the answer waits for.
        is_known: the same message was applied before.
    """

    answers: tuple[str, ...] = ()
    withdrawn: int | None = None
    is_known: bool = False


def receive(
    session: Session, runtime: Runtime, message: InboundMessage, *, sent: datetime | None = None
) -> Handled:
    """Apply an inbound message; the same message again has no effect and gets the same answer.

    Args:
        session: an open transaction that may write.
        runtime: vocabulary, replies, keys, clock.
        message: from a request whose signature was checked, or from the provider's list.
        sent: when it was sent, if that may be a while ago.
    """
    now = runtime.clock.now()
    row = inbound.begin(session, message.sid, now if sent is None else min(sent, now))
    if row is None:
        return replace(_handled(inbound.known(session, message.sid)), is_known=True)
    sender = lists.find_sender(session, message.sender)
    if sender is None:
        incidents.note(session, "unknown_sender", message.sender.channel.value, now)
        return Handled()
    if lists.is_own_number(session, message.author):
        incidents.note(session, "own_number", message.author.channel.value, now)
        return Handled()
    subscriber = people.lock_or_create(session, runtime.keyring, message.author, now)
    return _apply(
        session, runtime, message, row=row, sender=sender, subscriber=subscriber, sent=sent
    )


def is_in_flight(session: Session, subscriber_id: int) -> bool:
    """Tell whether a bulletin, or an answer by message, is being handed over to this person."""
    return deliveries.is_in_flight(session, subscriber_id) or hearing.is_answer_asked(
        session, subscriber_id
    )


def _apply(
    session: Session,
    runtime: Runtime,
    message: InboundMessage,
    *,
    row: Inbound,
    sender: Sender,
    subscriber: Subscriber,
    sent: datetime | None,
) -> Handled:
    every = lists.every(session)
    interpretation = _interpret(runtime, message, every)
    language = answering.language_of(interpretation, every, subscriber, runtime)
    targets = targets_of(session, every, language)
    offered = lists.open_on(session, sender.id)
    decision = decide(
        interpretation,
        standing_of(session, subscriber, sender, targets),
        circumstances_of(runtime, message, subscriber, offered, row.received),
    )
    if sent is not None:
        decision = _in_its_time(session, runtime, decision, subscriber, row)
    if decision.changes:
        act = _act(message, interpretation, subscriber, row)
        record(session, runtime, act, decision.changes, targets)
    if decision.block is not None:
        people.set_blocked(
            session, subscriber.id, sender.id, blocked=decision.block, now=row.received
        )
    texts = answering.write(runtime, decision.answers, language, targets, offered)
    # Who writes to us is there, whatever the provider said of the address.
    subscriber.suspended_at = subscriber.suspended_code = None
    people.note_reached(subscriber)
    row.sender_id, row.subscriber_id = sender.id, subscriber.id
    row.intent, row.rule = interpretation.intent.value, interpretation.rule
    row.review = decision.review.value if decision.review else None
    row.answers = json.dumps(texts)
    row.sealed = seal_text(runtime.keyring.unwrap(subscriber.key_wrapped), message.words)
    if interpretation.lang is not None:
        subscriber.language = interpretation.lang
    if answering.guides(decision.answers):
        subscriber.guided_at = row.received
    session.flush()
    return _handled(row)


def _in_its_time(
    session: Session, runtime: Runtime, decision: Decision, subscriber: Subscriber, row: Inbound
) -> Decision:
    """Take out what a text no longer brings about that came too late, or was overtaken by a stop."""
    since = ledger.leaves_since(session, subscriber.subject, row.received)
    later = [entry for leaf in since if isinstance(entry := parse(leaf), ConsentEntry)]
    is_overtaken = any(
        entry.occurred > row.received and entry.state is not State.GIVEN for entry in later
    )
    if is_overtaken or runtime.clock.now() - row.received > ANSWERED_WITHIN:
        return come_late(decision, is_overtaken=is_overtaken)
    return decision


def _interpret(
    runtime: Runtime, message: InboundMessage, every: Sequence[BroadcastList]
) -> Interpretation:
    """Find out what a text asks: a button's payload says it best, if it says anything at all.

    The provider's own word that this was a stop outranks both.
    """
    interpreter = interpreter_for(runtime.vocabulary, tuple(item.keyword for item in every))
    found = interpreter.interpret(message.button or message.body)
    if message.button and found.intent is Intent.none:
        found = interpreter.interpret(message.body)
    if message.opt_out_type is OptOutType.STOP and found.intent is not Intent.opt_out_all:
        return replace(
            found, intent=Intent.opt_out_all, rule="provider-stop", lists=(), also_in=(), also=()
        )
    return found


def _act(
    message: InboundMessage, interpretation: Interpretation, subscriber: Subscriber, row: Inbound
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
        occurred=row.received,
    )


def _method(message: InboundMessage, interpretation: Interpretation) -> Method:
    if message.opt_out_type is OptOutType.STOP:
        return Method.PROVIDER_KEYWORD
    if message.button is not None:
        return Method.BUTTON
    by_keyword = interpretation.rule in COMMAND_RULES
    return Method.KEYWORD if by_keyword else Method.FREE_TEXT


def _handled(row: Inbound) -> Handled:
    """Answer the first delivery of a message and every later one alike."""
    leaves = row.intent in _LEAVING
    return Handled(
        answers=tuple(json.loads(row.answers or "[]")),
        withdrawn=row.subscriber_id if leaves else None,
    )
