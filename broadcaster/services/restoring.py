"""Recognising a database that was put back from a backup: it would send again what it forgot (P12).

The provider's newest messages of our numbers must all be known here, or be of a request whose
outcome is just being written down. If one is not, everything holds until it has been compared.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.lookup import is_hidden, is_ours, is_taken, words
from broadcaster.core.messages import Listed
from broadcaster.ports import Connection
from broadcaster.runtime import Runtime
from broadcaster.storage import (
    bulletins,
    deliveries,
    hearing,
    incidents,
    installation,
    restored,
    unknowns,
)
from broadcaster.storage import people as stored_people
from broadcaster.storage.models import Sender

_log = structlog.get_logger()

_NEWEST = 50
#: How far back these go.
WITHIN = timedelta(days=7)
# Seconds until what other workers are writing down at this moment is written.
_MOMENT = 0.5


def recognise(runtime: Runtime, sender_ids: Collection[int]) -> bool:
    """Tell whether the database is older than what the provider has sent; if so, everything holds.

    Args:
        runtime: the parts.
        sender_ids: our numbers whose newest messages are looked at.

    Raises:
        ListUnreadable: the provider's list could not be read, so nobody knows.
    """
    with runtime.reading() as session:
        if installation.is_restored(session):
            return True
        senders = hearing.senders(session, sender_ids)
    try:
        if not senders or not asyncio.run(_has_strangers(runtime, senders)):
            return False
    except ListUnreadable as error:
        _log.warning("list_unreadable", reason=error.reason)
        runtime.run(
            lambda session: incidents.note(
                session, "list_unreadable", "newest messages", runtime.clock.now()
            )
        )
        raise
    runtime.run(lambda session: declare(session, runtime, "messages"))
    return True


def declare(session: Session, runtime: Runtime, evidence: str) -> None:
    """Write down that the database was restored, and hold everything that goes out or would start.

    Args:
        session: an open transaction that may write.
        runtime: the clock.
        evidence: what gave it away.
    """
    now = runtime.clock.now()
    row = installation.lock(session)
    row.restored = row.restored or now
    incidents.note(session, "restored", evidence, now)
    for number in restored.to_hold(session, now):
        hold(session, runtime, number)
        deliveries.put_back(session, number, now)
    session.flush()
    _log.error("database_restored", evidence=evidence)


def hold(session: Session, runtime: Runtime, bulletin_id: int) -> None:
    """Hold a bulletin until it has been compared with the provider's list."""
    bulletin = bulletins.lock(session, bulletin_id)
    bulletin.state = BulletinState.HELD.value
    bulletin.held_reason, bulletin.held_code = HeldReason.RESTORED.value, None
    bulletin.compared = None
    bulletin.version += 1
    bulletin.changed = runtime.clock.now()
    session.flush()


async def _has_strangers(runtime: Runtime, senders: Sequence[Sender]) -> bool:
    async with runtime.provider.connect() as connection:
        for sender in senders:
            newest = await _newest(runtime, connection, sender)
            strangers = _strangers(runtime, newest)
            if strangers:
                await asyncio.sleep(_MOMENT)
                strangers = _strangers(runtime, newest)
            if strangers:
                _log.error("unknown_messages", sender=sender.id, messages=len(strangers))
                return True
    return False


async def _newest(runtime: Runtime, connection: Connection, sender: Sender) -> list[Listed]:
    """Return the newest messages that were made by a request: what is forgotten is among them."""
    address = Address(Channel(sender.channel), sender.address)
    since = beginning(sender, runtime.clock.now(), WITHIN)
    newest: list[Listed] = []
    async for one in connection.messages(sender=address, since=since):
        if is_ours(one) and is_taken(one):
            newest.append(one)
        if len(newest) == _NEWEST:
            break
    return newest


def beginning(sender: Sender, now: datetime, furthest: timedelta) -> datetime:
    """Return from when the messages of a number count: what it sent before it was ours does not."""
    was_ahead = sender.created > now
    return now - furthest if was_ahead else max(sender.created, now - furthest)


def _strangers(runtime: Runtime, listed: Sequence[Listed]) -> list[Listed]:
    """Return the messages that nothing here explains.

    Deliveries are looked at before the ids are looked at again: what gets its id in between is
    seen one way or the other.
    """
    with runtime.reading() as session:
        strange = _without_known(session, listed)
        if strange:
            strange = _without_open(session, runtime, strange)
            strange = _without_known(session, strange)
        if strange and installation.get(session).shared is not None:
            # Something else sends, too: only the words of a bulletin that is still to go out tell.
            told = {words(bulletin.text) for bulletin in restored.unfinished(session)}
            strange = [one for one in strange if words(one.text) in told]
    return strange


def _without_known(session: Session, listed: Sequence[Listed]) -> list[Listed]:
    known = unknowns.attributed(session, [one.sid for one in listed])
    return [one for one in listed if one.sid not in known]


def _without_open(session: Session, runtime: Runtime, listed: Sequence[Listed]) -> list[Listed]:
    """Leave out what requests may explain whose ids are missing, one message for each request.

    Those with the words of one come first; then a provider may have changed the words.
    """
    texts = restored.gone_out(session, min(one.created for one in listed) - WITHIN)
    people = people_of(session, runtime, listed)
    explained: Counter[int] = Counter()

    def is_explained(one: Listed, numbers: Collection[int], *, in_its_words: bool) -> bool:
        for of in unknowns.unnamed(session, people[one.sid], numbers):
            if explained[of.delivery_id] < of.most(one.created, in_its_words=in_its_words):
                explained[of.delivery_id] += 1
                return True
        return False

    newest_first = sorted(listed, key=lambda one: one.created, reverse=True)
    strange = [one for one in newest_first if one.sid not in people]
    ours = [one for one in newest_first if one.sid in people]
    ours = [one for one in ours if not is_explained(one, _alike(one, texts), in_its_words=True)]
    ours = [one for one in ours if not is_explained(one, texts, in_its_words=False)]
    return strange + [one for one in ours if not hearing.is_answer_asked(session, people[one.sid])]


def people_of(session: Session, runtime: Runtime, listed: Sequence[Listed]) -> dict[str, int]:
    """Return whom messages went to, by the provider's ids of these; strangers to us are left out."""
    addresses = {one.sid: one.recipient for one in listed if one.recipient is not None}
    indexes = stored_people.indexes_of(session, runtime.keyring, set(addresses.values()))
    found = restored.people_at(session, set(indexes))
    at = {indexes[bytes(index)]: number for index, number in found.items()}
    return {sid: at[address] for sid, address in addresses.items() if address in at}


def _alike(one: Listed, texts: dict[int, str]) -> list[int]:
    """Return the bulletins whose words a message has, or may have if the provider keeps none."""
    return [
        number for number, text in texts.items() if is_hidden(one) or words(text) == words(one.text)
    ]
