"""A bulletin in the editor's hands: write, check, schedule, cancel, and read what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.bulletin import EDITABLE, BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.core.errors import Conflict, InvalidInput, InvalidMoment, NotFound
from broadcaster.core.segments import MAX_CHARACTERS, Segments, count, count_characters
from broadcaster.services import brakes
from broadcaster.storage import audience, bulletins, deliveries, tallies
from broadcaster.storage.models import BroadcastList, Bulletin

_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What would happen if a bulletin went out now.

    Args:
        bulletin: the bulletin.
        list: its list.
        recipients: people who would get it, by channel.
        blocked: people on the list whom the provider itself keeps us from reaching.
        segments: how the text is cut up on SMS.
    """

    bulletin: Bulletin
    list: BroadcastList
    recipients: dict[Channel, int]
    blocked: int
    segments: Segments

    @property
    def people(self) -> int:
        """How many people would get it: the number on the button."""
        return sum(self.recipients.values())

    @property
    def sms(self) -> int:
        """How many SMS are paid for."""
        return self.recipients.get(Channel.SMS, 0) * self.segments.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a bulletin; the numbers add up to the audience.

    Args:
        bulletin: the bulletin.
        list: its list.
        audience: how many people were on the list when it started.
        by_state: deliveries by state.
        skipped: those left out, by reason.
        failed: those refused or not delivered, by the provider's error code.
        undecided: those that only a person can decide about, by why nobody knows.
    """

    bulletin: Bulletin
    list: BroadcastList
    audience: int
    by_state: dict[State, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    failed: dict[int | None, int] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)

    def of(self, *states: State) -> int:
        """Count the deliveries in any of these states."""
        return sum(self.by_state.get(state, 0) for state in states)

    @property
    def left_during(self) -> int:
        """How many left the list while it went out; whoever had left before was not counted in."""
        return self.skipped.get(SkipReason.LEFT.value, 0)

    @property
    def waiting(self) -> int:
        """How many have not been sent to yet."""
        return self.of(State.QUEUED)

    @property
    def looked_up(self) -> int:
        """Of how many nobody knows yet whether the provider took it."""
        return self.of(State.UNKNOWN)

    @property
    def done(self) -> int:
        """How many have an outcome."""
        return self.audience - self.waiting - self.looked_up


def draft(session: Session, *, list_id: int, text: str, author_id: int, now: datetime) -> Bulletin:
    """Start a bulletin.

    Raises:
        NotFound: there is no such list.
        InvalidInput: the text cannot be sent.
    """
    item = _list(session, list_id)
    check_text(text)
    bulletin = Bulletin(
        list_id=item.id,
        text=text,
        state=BulletinState.DRAFT.value,
        zone=item.zone,
        version=1,
        author_id=author_id,
        created=now,
        changed=now,
    )
    session.add(bulletin)
    session.flush()
    return bulletin


def revise(
    session: Session, bulletin_id: int, *, list_id: int, text: str, version: int, now: datetime
) -> Bulletin:
    """Change the text or the list; a scheduled bulletin becomes a draft again.

    Args:
        session: an open transaction that may write.
        bulletin_id: which.
        list_id: its list from now on.
        text: its text from now on.
        version: the version that the editor had before them.
        now: the present moment.

    Raises:
        NotFound: there is no such bulletin or list.
        Conflict: somebody else changed it, it is already going out, or it is being compared with
            the provider's list, by its words.
        InvalidInput: the text cannot be sent.
    """
    bulletin = _editable(session, bulletin_id, version)
    if bulletin.state != BulletinState.DRAFT:
        brakes.refuse_uncompared(session, bulletin)
    if not is_rewritable(session, bulletin):
        message = (
            "Some people may have this bulletin already, so its text can no longer be changed."
        )
        raise Conflict(message)
    check_text(text)
    bulletin.list_id = _list(session, list_id).id
    bulletin.text = text
    if bulletin.audience is not None:
        deliveries.discard(session, bulletin.id)
        bulletin.audience = bulletin.started = bulletin.moved = None
    _to_draft(bulletin, now)
    session.flush()
    return bulletin


def is_rewritable(session: Session, bulletin: Bulletin) -> bool:
    """Tell whether its text may still change: nobody can have got anything of it."""
    return bulletin.audience is None or deliveries.is_untouched(session, bulletin.id)


def check(session: Session, bulletin_id: int) -> Check:
    """Tell what would happen if a bulletin went out now."""
    bulletin = bulletins.get(session, bulletin_id)
    recipients, blocked = _recipients(session, bulletin)
    return Check(
        bulletin=bulletin,
        list=_list(session, bulletin.list_id),
        recipients=recipients,
        blocked=blocked,
        segments=count(bulletin.text),
    )


def outside_window(session: Session, list_id: int, moment: datetime) -> int:
    """Count who on WhatsApp would be refused at a moment: they last wrote over 24 hours before.

    Only an approved template reaches them then (Twilio error 63016; WhatsApp's customer service
    window).
    """
    return audience.silent_on_whatsapp(session, list_id, moment - _WINDOW)


def _recipients(session: Session, bulletin: Bulletin) -> tuple[dict[Channel, int], int]:
    """Count who would get a bulletin, by channel, and whom the provider keeps us from reaching."""
    if bulletin.audience is not None:
        queued = audience.still_queued(session, bulletin.id)
        return {Channel(channel): people for channel, people in queued.items()}, 0
    recipients: Counter[Channel] = Counter()
    blocked = 0
    for (channel, is_blocked), people in audience.reachable(session, bulletin.list_id).items():
        if is_blocked:
            blocked += people
        else:
            recipients[Channel(channel)] += people
    return dict(recipients), blocked


def schedule(
    session: Session,
    bulletin_id: int,
    *,
    version: int,
    starts_at: datetime,
    zone: str,
    now: datetime,
    not_after: datetime | None = None,
) -> Bulletin:
    """Let a bulletin go out at a moment; ``starts_at == now`` means at once.

    Args:
        session: an open transaction that may write.
        bulletin_id: which.
        version: the version that the editor had before them; a second press finds another.
        starts_at: when, in UTC.
        zone: the zone in which the editor thinks of it.
        now: the present moment.
        not_after: from when it goes out to nobody any more; the settings decide if left out.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it was changed, or scheduled already.
        InvalidMoment: the moment has passed, or lies after its own end.
        InvalidInput: nobody would get it.
    """
    bulletin = _editable(session, bulletin_id, version)
    if starts_at < now:
        message = "That moment has passed. Choose a later one, or send it now."
        raise InvalidMoment(message)
    if not_after is not None and not_after <= starts_at:
        message = "It would be over before it starts. Choose a later end."
        raise InvalidMoment(message)
    if not check(session, bulletin_id).people:
        message = "Nobody would get this: no one on the list can be reached yet."
        raise InvalidInput(message)
    brakes.refuse_uncompared(session, bulletin)
    brakes.excuse(session, bulletin)
    _to(bulletin, BulletinState.SCHEDULED, now)
    bulletin.held_reason = bulletin.held_code = None
    bulletin.not_after = not_after
    bulletin.starts_at = starts_at
    bulletin.zone = zone
    session.flush()
    return bulletin


def unschedule(session: Session, bulletin_id: int, *, version: int, now: datetime) -> Bulletin:
    """Make a scheduled bulletin a draft again.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it was changed, is already going out, or is being compared with the provider's
            list.
    """
    bulletin = _editable(session, bulletin_id, version)
    if bulletin.state != BulletinState.DRAFT:
        brakes.refuse_uncompared(session, bulletin)
    if bulletin.audience is not None:
        _to(bulletin, BulletinState.HELD, now)
    else:
        _to_draft(bulletin, now)
    session.flush()
    return bulletin


def report(session: Session, bulletin_id: int) -> Report:
    """Tell what became of a bulletin so far."""
    bulletin = bulletins.get(session, bulletin_id)
    by_state: Counter[State] = Counter()
    skipped: Counter[str] = Counter()
    failed: Counter[int | None] = Counter()
    undecided: Counter[str] = Counter()
    for key, number in tallies.of(session, bulletin_id).items():
        by_state[key.state] += number
        if key.state is State.SKIPPED:
            skipped[key.reason or ""] += number
        elif key.state in {State.FAILED, State.UNDELIVERED}:
            failed[key.error_code] += number
        elif key.state is State.HELD:
            undecided[key.reason or ""] += number
    return Report(
        bulletin=bulletin,
        list=_list(session, bulletin.list_id),
        audience=bulletin.audience or 0,
        by_state=dict(by_state),
        skipped=dict(skipped),
        failed=dict(failed),
        undecided=dict(undecided),
    )


def check_text(text: str) -> None:
    """Refuse a text that the provider would refuse.

    Raises:
        InvalidInput: it is empty, too long, or has characters that no phone shows.
    """
    if not text.strip():
        message = "Write the text of the bulletin."
        raise InvalidInput(message)
    if any(ord(character) < ord(" ") and character not in "\n\r\t" for character in text):
        message = "The text has characters that no phone can show; type it again by hand."
        raise InvalidInput(message)
    characters = count_characters(text)
    if characters > MAX_CHARACTERS:
        message = (
            f"The text has {characters:,} characters; a message has at most {MAX_CHARACTERS:,}."
        )
        raise InvalidInput(message)


def _list(session: Session, list_id: int) -> BroadcastList:
    found = session.get(BroadcastList, list_id)
    if found is None:
        message = "There is no such list."
        raise NotFound(message)
    return found


def _editable(session: Session, bulletin_id: int, version: int) -> Bulletin:
    bulletin = bulletins.lock(session, bulletin_id)
    if BulletinState(bulletin.state) not in EDITABLE:
        message = "This bulletin is already going out or over; it can no longer be changed."
        raise Conflict(message)
    if bulletin.version != version:
        message = "Somebody changed this bulletin after you opened it."
        raise Conflict(message)
    return bulletin


def _to_draft(bulletin: Bulletin, now: datetime) -> None:
    """Make a draft of it, of which nothing is left of what it was held for."""
    _to(bulletin, BulletinState.DRAFT, now)
    bulletin.starts_at = bulletin.held_reason = bulletin.held_code = None


def _to(bulletin: Bulletin, state: BulletinState, now: datetime) -> None:
    bulletin.state = state.value
    bulletin.version += 1
    bulletin.changed = now
