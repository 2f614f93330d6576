"""Forgetting somebody for good, step by step; each step may be interrupted and is then done again.

Consent ends and the ledger says so → what the provider holds is listed → key, address, texts and
evidence go → earlier copies of the database become unreadable → the provider deletes its messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.consent import Change
from broadcaster.core.erasure import Stage
from broadcaster.core.errors import BroadcasterError, InvalidInput, ListUnreadable, NotFound
from broadcaster.core.messages import Deletion, Direction, Listed
from broadcaster.core.reasons import check_public
from broadcaster.core.sealing import open_address, place_of
from broadcaster.ledger.entry import Event, Method, State
from broadcaster.runtime import Runtime
from broadcaster.services import rekeying, settling
from broadcaster.services.recording import Act, record
from broadcaster.storage import (
    deliveries,
    erasing,
    hearing,
    keystate,
    people,
    rewrapping,
    suppressions,
)
from broadcaster.storage.erasing import Holdings
from broadcaster.storage.models import Erasure, Subscriber

_log = structlog.get_logger()

RULE = "erasure@1"
_LOST = "The key was destroyed by an earlier erasure; the database is an older copy."
#: So long the provider's list is waited for; then the rest is forgotten without it.
_PATIENCE = timedelta(hours=24)
# Twilio keeps messages for 13 months.
_FURTHEST = timedelta(days=400)
_AT_ONCE = 50
_PEOPLE_AT_ONCE = 20
_SOONEST, _LATEST = timedelta(seconds=30), timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an erasure is.

    Args:
        stage: the last one that was reached.
        trouble: what kept it from going on, in a word.
        messages: how many the provider still holds that we know of.
    """

    stage: Stage
    trouble: str | None
    messages: int


def find(session: Session, runtime: Runtime, address: Address) -> list[Subscriber]:
    """Return who is at a number, on any channel; somebody who was erased is at none."""
    everywhere = [address]
    if address.value.startswith("+"):
        everywhere = [Address(channel, address.value) for channel in Channel]
    return people.find(session, runtime.keyring, everywhere)


def preview(session: Session, subject: str) -> Holdings:
    """Count what there is of a person before they are forgotten.

    Raises:
        NotFound: nobody has this token, or they have been forgotten.
    """
    return erasing.holdings(session, _present(session, subject))


def check(session: Session, subject: str, *, reason: str) -> Subscriber:
    """Return the person to be forgotten, if that can be for this reason.

    Raises:
        NotFound: nobody has this token.
        InvalidInput: there is no reason, or it may tell who they are.
    """
    known = people.by_subject(session, subject)
    if known is None:
        raise _nobody()
    if known.erased_at is None:
        if not reason.strip():
            message = "Say why (--reason): the ledger keeps the reason of every erasure."
            raise InvalidInput(message)
        check_public(reason)
    return known


def begin(session: Session, runtime: Runtime, subject: str, *, reason: str, actor: str) -> int:
    """End a person's consent and write into the ledger that they are forgotten; return their number.

    Everything else follows in `advance`. Whoever is being forgotten already stays so.

    Args:
        session: an open transaction that may write.
        runtime: keys and clock.
        subject: the person's token.
        reason: why; it stays in the ledger for ever and must not tell who they are.
        actor: ``operator``, or ``system``.

    Raises:
        NotFound: nobody has this token.
        InvalidInput: there is no reason, or it may tell who they are.
    """
    subscriber = people.lock(session, check(session, subject, reason=reason).id)
    if subscriber.erased_at is not None:
        return subscriber.id
    now = runtime.clock.now()
    _suppress(session, runtime, subscriber, now)
    act = Act(
        subscriber=subscriber,
        method=Method.ADMIN,
        rule=RULE,
        actor=actor,
        evidence={},
        occurred=now,
        reason=reason.strip(),
    )
    record(session, runtime, act, [Change(Event.ERASED, State.TERMINATED)], {})
    erasing.begin(session, subscriber, now)
    return subscriber.id


def _suppress(session: Session, runtime: Runtime, subscriber: Subscriber, now: datetime) -> None:
    address = _address(runtime, subscriber)
    if address is not None:
        suppressions.suppress(session, runtime.keyring, address, suppressions.ERASED, now)


def _address(runtime: Runtime, subscriber: Subscriber) -> Address | None:
    """Open a person's address; None if nobody can."""
    try:
        key = runtime.keyring.unwrap(subscriber.key_wrapped)
        return open_address(key, subscriber.channel, subscriber.address_sealed)
    except (InvalidTag, ValueError):
        return None


def _present(session: Session, subject: str) -> Subscriber:
    found = people.by_subject(session, subject)
    if found is None or found.erased_at is not None:
        raise _nobody()
    return found


def _nobody() -> NotFound:
    return NotFound("Nobody has this token. 'broadcaster people find' tells a person's token.")


def progress(session: Session, subscriber_id: int) -> Progress:
    """Tell how far an erasure is.

    Raises:
        NotFound: this person is not being forgotten.
    """
    row = erasing.get(session, subscriber_id)
    if row is None:
        raise _nobody()
    return Progress(
        stage=Stage(row.stage),
        trouble=row.trouble,
        messages=erasing.removals_left(session, subscriber_id),
    )


def tend(runtime: Runtime) -> None:
    """Go on with every erasure that is not done, and with renewing the index."""
    if rekeying.is_due(runtime):
        _begin_lost(runtime, rekeying.renew_index(runtime))
    with runtime.reading() as session:
        waiting = erasing.unfinished(session, _PEOPLE_AT_ONCE)
    for subscriber_id in waiting:
        try:
            advance(runtime, subscriber_id)
        except Exception:  # noqa: BLE001 - whatever it was, the next look tries again
            # One that cannot go on must not keep the others from being forgotten.
            _log.exception("erasure_failed", subscriber=subscriber_id)
            runtime.run(
                partial(_note, subscriber_id=subscriber_id, trouble="failed", runtime=runtime)
            )


def advance(runtime: Runtime, subscriber_id: int) -> Progress:
    """Take an erasure as far as it goes now; it may be called again and again, and by anybody."""
    while True:
        with runtime.reading() as session:
            before = progress(session, subscriber_id)
        step = _STEPS.get(before.stage)
        trouble = step(runtime, subscriber_id) if step else None
        if trouble is not None:
            runtime.run(
                partial(_note, subscriber_id=subscriber_id, trouble=trouble, runtime=runtime)
            )
        with runtime.reading() as session:
            after = progress(session, subscriber_id)
        if after.stage is before.stage:
            return after


def _note(session: Session, *, subscriber_id: int, trouble: str, runtime: Runtime) -> None:
    row = erasing.lock(session, subscriber_id)
    row.trouble, row.changed = trouble, runtime.clock.now()


def _reach(session: Session, row: Erasure, stage: Stage, now: datetime) -> None:
    row.stage, row.trouble, row.changed = stage.value, None, now
    session.flush()


def _list_messages(runtime: Runtime, subscriber_id: int) -> str | None:
    """Find out what the provider holds; the address is needed for that, and only for that."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        row = session.get_one(Erasure, subscriber_id)
        subscriber = session.get_one(Subscriber, subscriber_id)
        settle = timedelta(seconds=settling.settling_time(session, runtime))
        late = now - row.begun >= _PATIENCE
        trouble = None if late else _too_early(session, row, settle, now)
        ours = {Address(Channel(one.channel), one.address) for one in hearing.senders(session)}
    if trouble is not None:
        return trouble
    address = _address(runtime, subscriber)
    found: set[str] = set()
    if address is not None:
        try:
            found = asyncio.run(_listed(runtime, address, ours, row.begun))
        except ListUnreadable as error:
            trouble = error.reason
        except BroadcasterError:
            trouble = "no_provider"
    if trouble is not None and not late:
        return trouble

    def note(session: Session) -> None:
        row = erasing.lock(session, subscriber_id)
        if row.stage != Stage.STOPPED.value:
            return
        known = found | erasing.sids_of(session, subscriber_id)
        erasing.note_removals(session, subscriber_id, known, now)
        _reach(session, row, Stage.LISTED, now)

    runtime.run(note)
    return None


def _too_early(session: Session, row: Erasure, settle: timedelta, now: datetime) -> str | None:
    """Say what has to be waited for before the provider's list tells everything."""
    if erasing.is_undecided(session, row.subscriber_id):
        return "message_under_way"
    # The answer to a text is in no table of ours: the list must have had time to show it.
    contact = erasing.last_contact(session, row.subscriber_id)
    return "list_settling" if contact is not None and now < contact + settle else None


async def _listed(
    runtime: Runtime, address: Address, ours: Collection[Address], until: datetime
) -> set[str]:
    """Return the ids of all messages between us and an address up to a moment."""
    since = until - _FURTHEST
    async with runtime.provider.connect() as connection:
        to = [one async for one in connection.messages(to=address, since=since)]
        by = [one async for one in connection.messages(sender=address, since=since)]
    return {one.sid for one in [*to, *by] if one.created <= until and _is_between(one, ours)}


def _is_between(one: Listed, ours: Collection[Address]) -> bool:
    """Tell whether a message is with one of our numbers: others may share the account."""
    us = one.recipient if one.direction is Direction.INBOUND else one.sender
    return us in ours


def _blank(runtime: Runtime, subscriber_id: int) -> str | None:
    """Take the key and everything private out of the database; whoever shares its leaf moves on."""
    with runtime.reading() as session:
        wrapped = rewrapping.wrapped_key(session, subscriber_id)
    place = place_of(wrapped)
    if wrapped and place is None:
        # Wrapped before there was a key table: this names no leaf until everybody's does.
        _begin_lost(runtime, rekeying.renew_index(runtime))
        return _blank(runtime, subscriber_id)
    if place is not None:
        rekeying.next_leaf(runtime, *place)
    if not runtime.run(partial(_blank_rows, runtime=runtime, subscriber_id=subscriber_id)):
        # Somebody else at this leaf was forgotten in the meantime, so the key moved on.
        return _blank(runtime, subscriber_id)
    return None


def _blank_rows(session: Session, *, runtime: Runtime, subscriber_id: int) -> bool:
    """Do it in one transaction; return whether it is done."""
    now = runtime.clock.now()
    row = erasing.lock(session, subscriber_id)
    if row.stage != Stage.LISTED.value:
        return True
    state = keystate.lock(session)
    subscriber = people.lock(session, subscriber_id)
    place = place_of(subscriber.key_wrapped)
    if place is not None:
        leaf, version = place
        if runtime.keyring.table.newest(leaf) <= version:
            return False
        rewrapping.rewrap_leaf(session, runtime.keyring, leaf, besides=subscriber_id)
        row.leaf, row.leaf_version = leaf, version
    # What was queued again after a look-up that found nothing.
    deliveries.withdraw(session, subscriber_id, None, now)
    erasing.blank(session, subscriber)
    keystate.note(state, runtime.keyring)
    row.epoch = state.epoch
    _reach(session, row, Stage.BLANKED, now)
    return True


def _cut(runtime: Runtime, subscriber_id: int) -> str | None:
    """Let vanish from the key table what would open an earlier copy of the database."""
    with runtime.reading() as session:
        row = session.get_one(Erasure, subscriber_id)
    if row.leaf is not None and row.leaf_version is not None:
        rekeying.cut_leaf(runtime, row.leaf, row.leaf_version)
    runtime.keyring.reload()
    while row.epoch is not None and min(runtime.keyring.table.indexes) <= row.epoch:
        _begin_lost(runtime, rekeying.renew_index(runtime))

    def cut(session: Session) -> None:
        row = erasing.lock(session, subscriber_id)
        if row.stage == Stage.BLANKED.value:
            row.leaf = row.leaf_version = row.epoch = None
            _reach(session, row, Stage.CUT, runtime.clock.now())

    runtime.run(cut)
    return None


def _begin_lost(runtime: Runtime, subjects: Collection[str]) -> None:
    """Forget people whose keys have vanished: this copy of the database is older than their erasure."""
    for subject in subjects:
        runtime.run(partial(begin, runtime=runtime, subject=subject, reason=_LOST, actor="system"))


def _remove(runtime: Runtime, subscriber_id: int) -> str | None:
    """Let the provider delete what it holds; what is still on its way is asked for again later."""
    with runtime.reading() as session:
        now = runtime.clock.now()
        due = erasing.due_removals(session, subscriber_id, now, _AT_ONCE)
        wanted = [(one.sid, one.attempts) for one in due]
    trouble = None
    if wanted:
        try:
            outcomes = asyncio.run(_delete(runtime, [sid for sid, _attempts in wanted]))
        except BroadcasterError:
            return "no_provider"
        for (sid, attempts), outcome in zip(wanted, outcomes, strict=True):
            if outcome is not Deletion.GONE:
                trouble = outcome.value
            runtime.run(partial(_settle, sid=sid, attempts=attempts, outcome=outcome, now=now))

    def finish(session: Session) -> None:
        row = erasing.lock(session, subscriber_id)
        if row.stage == Stage.CUT.value and not erasing.removals_left(session, subscriber_id):
            _reach(session, row, Stage.DONE, now)

    runtime.run(finish)
    return trouble


async def _delete(runtime: Runtime, sids: Collection[str]) -> list[Deletion]:
    async with runtime.provider.connect() as connection:
        return [await connection.delete(sid) for sid in sids]


def _settle(session: Session, *, sid: str, attempts: int, outcome: Deletion, now: datetime) -> None:
    if outcome is Deletion.GONE:
        erasing.forget_message(session, sid)
    else:
        erasing.put_off(session, sid, now + min(_SOONEST * 2 ** min(attempts, 12), _LATEST))


_STEPS: dict[Stage, Callable[[Runtime, int], str | None]] = {
    Stage.STOPPED: _list_messages,
    Stage.LISTED: _blank,
    Stage.BLANKED: _cut,
    Stage.CUT: _remove,
}
