"""Hearing what people texted while we were away: a provider hardly repeats a webhook (P11).

Its own list is read from the last text that we know of, and every unseen one is applied as its
webhook would have been, the oldest first, each in a transaction of its own. Then they are
answered: each at most once, by one message, if nobody has answered yet and they have not left since.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import (
    InvalidAddress,
    ListUnreadable,
    MalformedWebhook,
    Unheard,
)
from broadcaster.core.messages import (
    Accepted,
    Deferred,
    Direction,
    InboundMessage,
    Listed,
    OutboundMessage,
    SendOutcome,
    Unknown,
)
from broadcaster.core.segments import MAX_CHARACTERS, count_characters
from broadcaster.core.uptime import monotonic
from broadcaster.ports import Connection
from broadcaster.runtime import Runtime
from broadcaster.services import inbound, settling
from broadcaster.services.pace import slot
from broadcaster.storage import hearing, incidents, installation, ledger, people, unknowns
from broadcaster.storage.models import Sender

_log = structlog.get_logger()

# The list may show a text later than a newer one; what is read twice has no effect.
_OVERLAP = timedelta(minutes=10)
# How far back a number is read that was never read before; its own beginning is the limit.
_FURTHEST = timedelta(days=30)
_COMPARED_AT_ONCE = 500
_ANSWERED_AT_ONCE = 10
# A bulletin waits this many seconds for answers at most; whatever is left goes unanswered.
_ANSWERING = 20.0
_IN = "in"
_LATE = Deferred(retry_after=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """An answer that is due, to which text, and where that left the person.

    Args:
        sender: our number that the text came to, and the answer goes out from.
        message: the text.
        text: the answer.
        sent: when the person wrote.
        joined: the lists that the text put them on.
        stopped: when they had stopped everything, if they had.
    """

    sender: Sender
    message: InboundMessage
    text: str = field(repr=False)
    sent: datetime
    joined: frozenset[int]
    stopped: datetime | None


def needs_hearing(session: Session, sender_ids: Collection[int], since: datetime) -> list[int]:
    """Return those of our numbers whose list was not read since a moment.

    Args:
        session: an open transaction.
        sender_ids: our numbers.
        since: when it must have been read at the earliest.
    """
    return hearing.unheard(session, sender_ids, since)


def catch_up(runtime: Runtime, sender_ids: Collection[int]) -> int:
    """Apply and answer every text that we missed; return how many there were.

    Args:
        runtime: the parts.
        sender_ids: the numbers that people texted.

    Raises:
        Unheard: the list of one of them could not be read; that of the others was.
    """
    return asyncio.run(_catch_up(runtime, sender_ids))


async def _catch_up(runtime: Runtime, sender_ids: Collection[int]) -> int:
    with runtime.reading() as session:
        senders = hearing.senders(session, sender_ids)
    if not senders:
        return 0
    applied, deaf = 0, False
    due: list[_Due] = []
    async with runtime.provider.connect() as connection:
        for sender in senders:
            try:
                missed, until = await _missed(runtime, connection, sender)
            except ListUnreadable as error:
                _note_failure(runtime, sender, error)
                deaf = True
                continue
            for listed in missed:
                new, answer = _apply(runtime, sender, listed)
                applied += new
                due.extend([answer] if answer else [])
            _note_heard(runtime, sender, until)
        await _answer_all(runtime, connection, due)
    if applied:
        _log.info("caught_up", texts=applied, answers=len(due))
    if deaf:
        message = (
            "The provider's list of texts could not be read, so nobody knows who has left in the "
            "meantime. What is due waits until it can be read."
        )
        raise Unheard(message)
    return applied


async def _missed(
    runtime: Runtime, connection: Connection, sender: Sender
) -> tuple[list[Listed], datetime]:
    """Return the texts to a number that we do not have, the oldest first, and how far it was read."""
    now, address = runtime.clock.now(), _address(sender)
    with runtime.reading() as session:
        until = hearing.heard_until(session, sender.id) or _beginning(sender, now)
        overlap = max(_OVERLAP, timedelta(seconds=settling.settling_time(session, runtime)))
    missed: list[Listed] = []
    # A clock that was ahead must not make us skip what came since it was set right.
    listed = connection.messages(to=address, since=min(until, now) - overlap)
    async for some in _in_pieces(listed):
        texts = {one.sid: one for one in some if one.direction is Direction.INBOUND}
        until = max([until, *(one.created for one in texts.values())])
        with runtime.reading() as session:
            unseen = hearing.unseen(session, texts.keys())
        missed.extend(one for sid, one in texts.items() if sid in unseen)
    # Newest first it was read; of one second the one that was read last comes first.
    missed.reverse()
    missed.sort(key=lambda one: one.created)
    return missed, min(until, now)


def _beginning(sender: Sender, now: datetime) -> datetime:
    """Return from when to read a number that was never read: what came before was not for us."""
    return max(sender.created, now - _FURTHEST)


def _address(sender: Sender) -> Address:
    return Address(Channel(sender.channel), sender.address)


async def _in_pieces(listed: AsyncIterator[Listed]) -> AsyncIterator[Sequence[Listed]]:
    piece: list[Listed] = []
    async for one in listed:
        piece.append(one)
        if len(piece) == _COMPARED_AT_ONCE:
            yield piece
            piece = []
    yield piece


def _apply(runtime: Runtime, sender: Sender, listed: Listed) -> tuple[bool, _Due | None]:
    """Apply one text; tell whether it was new, and what answer is due."""
    try:
        message = runtime.provider.inbound_of(listed)
    except (MalformedWebhook, InvalidAddress) as error:
        known = "bad_address" if isinstance(error, InvalidAddress) else "malformed_text"
        runtime.run(lambda session: incidents.note(session, known, "inbound", runtime.clock.now()))
        return False, None
    return runtime.run(
        partial(_receive, runtime=runtime, sender=sender, message=message, sent=listed.created)
    )


def _receive(
    session: Session, *, runtime: Runtime, sender: Sender, message: InboundMessage, sent: datetime
) -> tuple[bool, _Due | None]:
    entries = ledger.frontier(session).size
    handled = inbound.receive(session, runtime, message, sent=sent)
    if handled.is_known:
        return False, None  # its webhook came first, and answers
    text = _joined(handled.answers)
    is_late = runtime.clock.now() - sent > inbound.ANSWERED_WITHIN
    # In a restored database nearly everything is unseen, and was answered long ago.
    if is_late or installation.is_restored(session):
        text = ""
    hearing.take_answer(session, message.sid, is_asked=bool(text))
    author = hearing.author_of(session, message.sid)
    if not text or author is None:
        return True, None
    return True, _Due(
        sender=sender,
        message=message,
        text=text,
        sent=sent,
        joined=frozenset(
            number
            for number, row in people.subscriptions(session, author.id).items()
            if row.state == _IN and row.entry >= entries
        ),
        stopped=author.stopped_at,
    )


def _joined(answers: Sequence[str]) -> str:
    """Make one message of several, if that is not too long."""
    text = "\n\n".join(answers)
    return text if count_characters(text) <= MAX_CHARACTERS else answers[0]


def _note_heard(runtime: Runtime, sender: Sender, until: datetime) -> None:
    now = runtime.clock.now()
    runtime.run(lambda session: hearing.note_heard(session, sender.id, until, now))


def _note_failure(runtime: Runtime, sender: Sender, error: ListUnreadable) -> None:
    now = runtime.clock.now()
    _log.error("list_unreadable", sender=sender.id, reason=error.reason)

    def note(session: Session) -> None:
        hearing.note_failed(session, sender.id, _beginning(sender, now), now)
        incidents.note(session, "unheard", f"sender {sender.id}", now)

    runtime.run(note)


async def _answer_all(runtime: Runtime, connection: Connection, due: Sequence[_Due]) -> None:
    """Answer what is due, for as long as may be spent on it."""
    lines = asyncio.Semaphore(_ANSWERED_AT_ONCE)

    async def answer(one: _Due) -> None:
        async with lines:
            await _answer(runtime, connection, one)

    with suppress(TimeoutError):
        async with asyncio.timeout(_ANSWERING):
            await asyncio.gather(*(answer(one) for one in due))


async def _answer(runtime: Runtime, connection: Connection, due: _Due) -> None:
    """Ask for an answer once, at its sender's pace, unless one is there.

    One that only came too late for its slot takes the next. Whatever else becomes of it, it is not
    asked again.
    """
    message = due.message
    outcome: SendOutcome = _LATE
    is_answered = await _is_answered(runtime, connection, due)
    while outcome == _LATE:
        until = 0.0 if is_answered else await slot(runtime, due.sender, due.text)
        if is_answered or _has_left(runtime, due):
            runtime.run(lambda session: hearing.note_answer(session, message.sid, None))
            return
        outcome = await connection.send(
            OutboundMessage(sender=message.sender, recipient=message.author, text=due.text),
            begin_within=until - monotonic(),
        )
    if not isinstance(outcome, Unknown):
        sid = outcome.sid if isinstance(outcome, Accepted) else None
        runtime.run(lambda session: hearing.note_answer(session, message.sid, sid))
    if not isinstance(outcome, Accepted):
        _log.warning("answer_not_sent", outcome=type(outcome).__name__)


def _has_left(runtime: Runtime, due: _Due) -> bool:
    """Tell whether the person has stopped since, everything or what they would be welcomed to.

    Looked at last of all, for then no stop can have been answered before the request begins: the
    answer to a stop waits for one that is under way.
    """
    with runtime.reading() as session:
        author = hearing.author_of(session, due.message.sid)
        if author is None or author.stopped_at not in {None, due.stopped}:
            return True
        subscriptions = people.subscriptions(session, author.id)
    return any(subscriptions[number].state != _IN for number in due.joined)


async def _is_answered(runtime: Runtime, connection: Connection, due: _Due) -> bool:
    """Tell whether the person got anything from that number since that we do not know of.

    The webhook may have been answered before the database was lost, or by the provider itself. If
    nobody can say, it counts as answered.
    """
    message = due.message
    since = connection.messages(to=message.author, sender=message.sender, since=due.sent)
    try:
        sids = {one.sid async for one in since if one.direction is not Direction.INBOUND}
    except ListUnreadable:
        return True
    with runtime.reading() as session:
        return bool(sids - unknowns.attributed(session, sids))
