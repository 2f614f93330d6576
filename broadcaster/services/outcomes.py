"""What became of requests, and what follows from it for the person, the bulletin and the sender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.delivery import State, merge
from broadcaster.core.messages import Accepted, Deferred, Refused, SendOutcome, Unknown
from broadcaster.core.remedy import Remedy
from broadcaster.runtime import Runtime
from broadcaster.services import refusals, restoring, settling, statuses
from broadcaster.storage import (
    bulletins,
    deliveries,
    hand_overs,
    incidents,
    pacing,
    people,
    tallies,
    unknowns,
)
from broadcaster.storage.claims import Claim
from broadcaster.storage.hand_overs import Outcome

_log = structlog.get_logger()

_TRIES = 3
_TRY_AGAIN = timedelta(seconds=30)
UNREADABLE = "unreadable"
_BACK_TO_QUEUE = frozenset(
    {Remedy.RETRY, Remedy.SLOW_DOWN, Remedy.STOP_BULLETIN, Remedy.STOP_SENDER}
)


class Result(NamedTuple):
    """A hand-over, and the answer to its request.

    Args:
        claim: what was handed over.
        attempt: the number of the hand-over.
        answer: what the provider said; None when no request was made after all.
        unreadable: the row could not be opened, so there was nothing to send.
    """

    claim: Claim
    attempt: int
    answer: SendOutcome | None
    unreadable: bool = False


def write_down(runtime: Runtime, results: Sequence[Result]) -> None:
    """Write down what became of some requests, and act on it.

    A refusal that is an opt-out is written with the entry that says so, or not at all.
    """
    personal = [one for one in results if _is_personal(runtime, one)]
    others = [one for one in results if not _is_personal(runtime, one)] if personal else results
    has_forgotten = False
    if others:
        has_forgotten = runtime.run(lambda session: _write(session, runtime, others))
        _watch_one(runtime, others)
    for one in personal:
        has_forgotten |= runtime.run(partial(_write_personal, runtime=runtime, result=one))
    if has_forgotten:
        # It fell back while requests were under way, by less than a heartbeat perhaps.
        runtime.run(lambda session: restoring.declare(session, runtime, "hand-overs"))


_PERSONAL = frozenset({Remedy.OPT_OUT, Remedy.SUSPEND, Remedy.UNREACHABLE})


def _is_personal(runtime: Runtime, result: Result) -> bool:
    """Tell whether a request was refused because of the person, and not of what was sent."""
    return isinstance(result.answer, Refused) and _remedy(runtime, result) in _PERSONAL


def _watch_one(runtime: Runtime, results: Sequence[Result]) -> None:
    """Let one of these be watched until the provider's list shows it: that measures the list."""
    taken = next((one for one in results if isinstance(one.answer, Accepted)), None)
    if taken is not None and isinstance(taken.answer, Accepted):
        settling.sample(runtime, delivery_id=taken.claim.delivery_id, sid=taken.answer.sid)


def _remedy(runtime: Runtime, result: Result) -> Remedy | None:
    answer = result.answer
    return runtime.provider.remedy(answer.code) if isinstance(answer, Refused) else None


def _write(session: Session, runtime: Runtime, results: Sequence[Result]) -> bool:
    """Write them down; tell whether the database has forgotten a hand-over of them."""
    now = runtime.clock.now()
    outcomes = [_outcome(runtime, one) for one in results]
    missed = hand_overs.write_outcomes(session, outcomes, now)
    forgotten = [one for one in missed if _reconsider(session, one, runtime)]
    got_further = {one.bulletin_id for one in outcomes if one.state is not State.QUEUED}
    if got_further:
        bulletins.note_progress(session, sorted(got_further), now)
    troubled = [one for one in results if not isinstance(one.answer, Accepted)]
    if len(troubled) < len(results):
        taken = {one.claim.lot.sender_id for one in results if isinstance(one.answer, Accepted)}
        pacing.relax(session, sorted(taken))
    if troubled:
        _slow_down(session, runtime, results)
        _stop(session, runtime, troubled)
    return bool(forgotten)


def _outcome(runtime: Runtime, result: Result) -> Outcome:
    """Say where a delivery stands after its request."""
    if isinstance(result.answer, Accepted):
        # Nearly always.
        return Outcome(
            delivery_id=result.claim.delivery_id,
            bulletin_id=result.claim.lot.bulletin_id,
            attempt=result.attempt,
            state=State.ACCEPTED,
            sid=result.answer.sid,
        )
    of = partial(
        Outcome,
        delivery_id=result.claim.delivery_id,
        bulletin_id=result.claim.lot.bulletin_id,
        attempt=result.attempt,
    )
    if result.unreadable:
        return of(state=State.FAILED, reason=UNREADABLE)
    match result.answer:
        case Unknown(reason=reason):
            return of(state=uncertain(runtime), reason=reason)
        case Refused(code=code):
            return _refused(runtime, of, code, result.attempt)
        case _:
            return of(state=State.QUEUED)


def uncertain(runtime: Runtime) -> State:
    """Return where a delivery stands of which nobody knows whether the provider took it."""
    return State.HELD if runtime.settings.sending.on_uncertain == "hold" else State.UNKNOWN


def _refused(runtime: Runtime, of: partial[Outcome], code: int, attempt: int) -> Outcome:
    remedy = runtime.provider.remedy(code)
    if remedy in _BACK_TO_QUEUE:
        # Nothing is wrong with this person: they get it once the cause is mended.
        return of(state=State.QUEUED)
    if remedy is Remedy.LOOK_UP:
        return of(state=uncertain(runtime), reason=f"code_{code}")
    if remedy is Remedy.TRY_LATER and attempt < _TRIES:
        return of(state=State.QUEUED, not_before=runtime.clock.now() + _TRY_AGAIN * 2**attempt)
    return of(state=State.FAILED, error_code=code)


def _reconsider(session: Session, missed: Outcome, runtime: Runtime) -> bool:
    """Write down an outcome that came late: its row has changed since it was handed over.

    Attempts are only counted on. A row with fewer has forgotten this one: then the database is
    older than what was sent, and that is what is returned.
    """
    delivery = deliveries.lock(session, missed.delivery_id)
    if delivery is None:
        return False
    is_forgotten = delivery.attempt < missed.attempt
    if missed.state not in {State.ACCEPTED, State.FAILED}:
        return is_forgotten
    now = runtime.clock.now()
    current = State(delivery.state)
    before = tallies.key_of(delivery)
    if missed.state is State.ACCEPTED:
        known = delivery.sid in {None, missed.sid}
        if not known or delivery.attempt > missed.attempt:
            incidents.note(session, "duplicate", f"delivery {delivery.id}", now)
            _log.error("accepted_twice", delivery=delivery.id)
        if not known and missed.sid is not None:
            unknowns.explain(session, [missed.sid], unknowns.DUPLICATE, now)
        delivery.sid = delivery.sid or missed.sid
        merged = merge(current, State.ACCEPTED)
    else:
        same = delivery.attempt == missed.attempt and delivery.sid is None
        merged = State.FAILED if same and current in _UNSURE else current
    if merged is current:
        session.flush()
        return is_forgotten
    delivery.state, delivery.changed = merged.value, now
    delivery.error_code, delivery.reason = missed.error_code, missed.reason
    session.flush()
    tallies.moved(session, [(before, tallies.key_of(delivery))])
    return is_forgotten


_UNSURE = frozenset({State.UNKNOWN, State.HELD})


def _slow_down(session: Session, runtime: Runtime, results: Sequence[Result]) -> None:
    """Pause senders that the provider told to go slower, once for all requests that it told so.

    Mostly no clear answer is a reason, too: whoever is in trouble is not asked at full pace.
    """
    waits: dict[int, float] = {}
    for one in results:
        sender_id = one.claim.lot.sender_id
        if isinstance(one.answer, Deferred) and one.answer.retry_after > 0:
            named = one.answer.retry_after if one.answer.named else 0.0
        elif _remedy(runtime, one) is Remedy.SLOW_DOWN:
            named = refusals.SLOW_DOWN
        elif _remedy(runtime, one) is Remedy.RETRY:
            named = 0.0
        else:
            continue
        waits[sender_id] = max(waits.get(sender_id, 0.0), named)
    for sender_id in _without_answers(runtime, results):
        waits.setdefault(sender_id, 0.0)
    for sender_id, least in sorted(waits.items()):
        refusals.slow_down(session, runtime, sender_id, least)


def _without_answers(runtime: Runtime, results: Iterable[Result]) -> set[int]:
    """Return the senders most of whose requests got no clear answer."""
    asked: Counter[int] = Counter()
    unclear: Counter[int] = Counter()
    for one in results:
        sender_id = one.claim.lot.sender_id
        asked[sender_id] += one.answer is not None
        if isinstance(one.answer, Unknown) or _remedy(runtime, one) is Remedy.LOOK_UP:
            unclear[sender_id] += 1
    return {sender_id for sender_id, n in unclear.items() if 2 * n > asked[sender_id]}


def _stop(session: Session, runtime: Runtime, results: Iterable[Result]) -> None:
    """Hold bulletins, and stop senders, that the provider refuses whoever it is for."""
    for one in results:
        remedy, lot = _remedy(runtime, one), one.claim.lot
        if remedy in {Remedy.STOP_BULLETIN, Remedy.STOP_SENDER} and isinstance(one.answer, Refused):
            refusals.refuse_all(
                session,
                runtime,
                bulletin_id=lot.bulletin_id,
                sender_id=lot.sender_id if remedy is Remedy.STOP_SENDER else None,
                code=one.answer.code,
            )


def _write_personal(session: Session, *, runtime: Runtime, result: Result) -> bool:
    """Write a refusal down that tells something about the person; tell what ``_write`` tells."""
    now = runtime.clock.now()
    subscriber = people.lock(session, result.claim.subscriber_id)
    missed = hand_overs.write_outcomes(session, [_outcome(runtime, result)], now)
    forgotten = [one for one in missed if _reconsider(session, one, runtime)]
    if not isinstance(result.answer, Refused):
        return bool(forgotten)
    remedy = _remedy(runtime, result)
    if remedy is Remedy.OPT_OUT:
        statuses.provider_stop(session, runtime, result.claim.delivery_id, result.answer.code)
    elif remedy is Remedy.UNREACHABLE:
        statuses.unreached(session, runtime, subscriber, result.answer.code)
    else:
        people.suspend(session, subscriber, result.answer.code, now)
        deliveries.suspend(session, subscriber.id, now)
    return bool(forgotten)
