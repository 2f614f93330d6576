"""What the provider says became of a message: merged by rank, in whatever order it comes."""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.core.consent import Change
from broadcaster.core.delivery import State, merge, state_of
from broadcaster.core.messages import StatusUpdate
from broadcaster.core.remedy import Remedy
from broadcaster.ledger.entry import ConsentEntry, Event, Method, parse
from broadcaster.ledger.entry import State as ConsentState
from broadcaster.runtime import Runtime
from broadcaster.services import refusals
from broadcaster.services.recording import Act, record
from broadcaster.storage import (
    deliveries,
    erasing,
    incidents,
    ledger,
    people,
    statuses,
    tallies,
    unknowns,
)
from broadcaster.storage.forgotten import is_mark
from broadcaster.storage.models import Delivery, Subscriber

STATUS_PURPOSE = "delivery"
_ARRIVED = frozenset({State.DELIVERED, State.READ})
# With these the provider's own block has ended, whatever it reports late.
_LIFTING = frozenset({Event.PROVIDER_START, Event.RESTART})


def callback_token(runtime: Runtime, delivery_id: int) -> str:
    """Return what stands in a delivery's status callback URL: its number, and that we gave it."""
    return f"{delivery_id}-{runtime.keyring.token(STATUS_PURPOSE, delivery_id)}"


def delivery_of(runtime: Runtime, token: str) -> int | None:
    """Return the delivery a token was made for; None when we did not make it."""
    number, _, proof = token.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) <= len(str(2**63))):
        return None
    delivery_id = int(number)
    expected = runtime.keyring.token(STATUS_PURPOSE, delivery_id)
    return delivery_id if hmac.compare_digest(proof.encode(), expected.encode()) else None


def apply(session: Session, runtime: Runtime, token: str, update: StatusUpdate) -> None:
    """Merge a status callback into its delivery.

    A callback for a delivery proves that the provider accepted it, even if the answer to our
    request was lost. A second id on one delivery proves that it was accepted twice. The id of
    another message proves nothing: a restored database gives the numbers of its deliveries again.
    """
    now = runtime.clock.now()
    delivery_id = delivery_of(runtime, token)
    subscriber_id = statuses.subscriber_of(session, delivery_id) if delivery_id else None
    if delivery_id is None or subscriber_id is None:
        incidents.note(session, "unknown_delivery", "status", now)
        return
    # The person, then the delivery, then the ledger: everybody takes locks in this order.
    subscriber = people.lock(session, subscriber_id)
    delivery = deliveries.lock(session, delivery_id)
    if delivery is None or is_mark(delivery.sid):
        # Whoever it went to has been forgotten, and so has the message.
        return
    if delivery.sid is None and unknowns.attributed(session, [update.sid], besides=delivery_id):
        incidents.note(session, "unknown_delivery", "status", now)
        return
    if not statuses.add_once(session, delivery_id, update, now):
        return
    if delivery.sid is not None and delivery.sid != update.sid:
        incidents.note(session, "duplicate", f"delivery {delivery_id}", now)
        return
    before = State(delivery.state)
    _merge(session, delivery, update, now)
    if subscriber.erased_at is not None:
        erasing.note_removals(session, subscriber_id, [update.sid], now)
        return
    _count_unreached(session, runtime, subscriber, before, delivery)
    if update.error_code is not None:
        act_on(session, runtime, delivery, update.error_code)


def _count_unreached(
    session: Session, runtime: Runtime, subscriber: Subscriber, before: State, delivery: Delivery
) -> None:
    """Count a bulletin that did not reach a person, once; one that did ends the row."""
    after = State(delivery.state)
    if after in _ARRIVED:
        people.note_reached(subscriber)
    elif after is not before and delivery.error_code is not None:
        unreached(session, runtime, subscriber, delivery.error_code)


def unreached(session: Session, runtime: Runtime, subscriber: Subscriber, code: int) -> None:
    """Count a bulletin that found nobody there; after some in a row a person should look.

    The phone may be off for a day or for good, and no code tells which.

    Args:
        session: an open transaction that holds the subscriber's lock.
        runtime: settings and the clock.
        subscriber: who was not reached.
        code: the provider's; others than those that say so count for nothing.
    """
    if runtime.provider.remedy(code) is not Remedy.UNREACHABLE:
        return
    in_a_row = people.note_unreached(session, subscriber)
    least = runtime.settings.sending.review_unreached
    if least and in_a_row >= least:
        reference = f"person {subscriber.subject}"
        incidents.note(session, "unreached", reference, runtime.clock.now())


def act_on(session: Session, runtime: Runtime, delivery: Delivery, code: int) -> None:
    """Do what an error code asks, for the person, the bulletin or the sender."""
    remedy = runtime.provider.remedy(code)
    if remedy is Remedy.OPT_OUT:
        provider_stop(session, runtime, delivery.id, code)
    elif remedy is Remedy.SUSPEND:
        now = runtime.clock.now()
        people.suspend(session, people.lock(session, delivery.subscriber_id), code, now)
        deliveries.suspend(session, delivery.subscriber_id, now)
    else:
        refusals.follow(
            session,
            runtime,
            bulletin_id=delivery.bulletin_id,
            sender_id=delivery.sender_id,
            code=code,
        )


def provider_stop(session: Session, runtime: Runtime, delivery_id: int, code: int) -> None:
    """Record that the provider refuses this person because they told it to stop.

    Where its block outlives our record, the person counts as blocked on that sender, too. What a
    person did after this delivery was claimed is newer, and wins.
    """
    now = runtime.clock.now()
    delivery = session.get_one(Delivery, delivery_id)
    subscriber = people.lock(session, delivery.subscriber_id)
    if subscriber.erased_at is not None:
        return  # Nothing is written about them any more.
    since = _events_since(session, subscriber, delivery)
    if runtime.provider.keeps_blocking(code) and not since & _LIFTING:
        people.set_blocked(session, subscriber.id, delivery.sender_id, blocked=True, now=now)
    if since:
        incidents.note(session, "late_provider_stop", f"delivery {delivery_id}", now)
        return
    act = Act(
        subscriber=subscriber,
        method=Method.PROVIDER_ERROR,
        rule=f"provider-error-{code}",
        actor="provider",
        evidence={"delivery": delivery_id, "error_code": code, "sid": delivery.sid},
        occurred=now,
    )
    record(session, runtime, act, [Change(Event.PROVIDER_STOP, ConsentState.WITHDRAWN)], {})


def _events_since(session: Session, subscriber: Subscriber, delivery: Delivery) -> set[Event]:
    """Return what a person did after a delivery of theirs was claimed."""
    if delivery.claimed is None:
        return set()
    leaves = ledger.leaves_since(session, subscriber.subject, delivery.claimed)
    entries = [parse(leaf) for leaf in leaves]
    return {entry.event for entry in entries if isinstance(entry, ConsentEntry)}


def _merge(session: Session, delivery: Delivery, update: StatusUpdate, now: datetime) -> None:
    reported = state_of(update.status)
    if reported is None:
        incidents.note(session, "unrecognised_status", "status", now)
        return
    if not delivery.attempt and delivery.sid is None:
        # Nothing was ever handed over, so this cannot be about a request of ours.
        incidents.note(session, "status_without_request", f"delivery {delivery.id}", now)
        return
    current = State(delivery.state)
    if current is State.SKIPPED:
        incidents.note(session, "skipped_but_sent", f"delivery {delivery.id}", now)
    before = tallies.key_of(delivery)
    delivery.sid = update.sid
    merged = merge(current, reported)
    if merged is not current:
        delivery.state = merged.value
        delivery.changed = now
        delivery.error_code = update.error_code
        delivery.reason = None
    elif reported is current and update.error_code is not None:
        # Two of the provider's words are one of our states: whichever comes first, one code stays.
        delivery.error_code = max(delivery.error_code or 0, update.error_code)
    session.flush()
    tallies.moved(session, [(before, tallies.key_of(delivery))])
