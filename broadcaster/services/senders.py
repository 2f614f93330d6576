"""Our own numbers: how fast each may send, how far its day is used up, and whether it stands still."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.settings import Settings
from broadcaster.storage import lists, outreach, pacing
from broadcaster.storage import senders as stored
from broadcaster.storage.models import Pacing, Sender

_DAY = timedelta(hours=24)
#: Faster than any number of any provider, and slower than a slip of the keyboard.
FASTEST = 10_000.0
#: More people than any number may write to in a day.
MOST_A_DAY = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a sender stands.

    Args:
        sender: the sender.
        lists: the names of the lists that it carries.
        rate: messages a second on WhatsApp, segments a second on SMS; 0 is no limit.
        daily_limit: people whom WhatsApp lets it write to outside their 24 hours; 0 is no limit.
        reached: how many of these it has written to within 24 hours.
        stopped_code: why it stands still until a person says that it goes on.
        paused_until: until when it waits because the provider told it to go slower.
    """

    sender: Sender
    lists: Sequence[str]
    rate: float
    daily_limit: int
    reached: int
    stopped_code: int | None
    paused_until: datetime | None

    @property
    def address(self) -> Address:
        """Its number, on its channel."""
        return Address(Channel(self.sender.channel), self.sender.address)

    @property
    def room(self) -> int | None:
        """How many more people it may write to outside their 24 hours; None without a limit."""
        return max(self.daily_limit - self.reached, 0) if self.daily_limit else None


def every(session: Session, settings: Settings, now: datetime) -> list[Standing]:
    """Return how all senders stand."""
    return _standings(session, settings, stored.every(session), now)


def of_list(session: Session, settings: Settings, list_id: int, now: datetime) -> list[Standing]:
    """Return how the senders of a list stand."""
    return _standings(session, settings, stored.of_list(session, list_id), now)


def duration(
    senders: Iterable[Standing], recipients: Mapping[Channel, int], segments: int
) -> timedelta:
    """Return how long a bulletin takes at the pace of its senders, which work side by side.

    Args:
        senders: those of its list; one without a limit takes no time worth naming.
        recipients: people by channel.
        segments: how many SMS one message is.
    """
    seconds = 0.0
    for one in senders:
        cost = segments if one.address.channel is Channel.SMS else 1
        people = recipients.get(one.address.channel, 0)
        if one.rate:
            seconds = max(seconds, people * cost / one.rate)
    return timedelta(seconds=math.ceil(seconds))


def set_rate(session: Session, address: Address, rate: float | None) -> None:
    """Let a sender send at a rate of its own: 0 is no limit, None what the settings say.

    Raises:
        NotFound: there is no such sender.
        InvalidInput: the rate cannot be.
    """
    if rate is not None and not 0 <= rate <= FASTEST:
        message = f"A rate is 0 (no limit) to {FASTEST:,.0f} a second."
        raise InvalidInput(message)
    _find(session, address).rate = rate


def set_daily_limit(session: Session, address: Address, limit: int | None) -> None:
    """Give a WhatsApp sender a daily limit: 0 is none, None what the settings say.

    Raises:
        NotFound: there is no such sender.
        InvalidInput: the limit cannot be, or the sender is none of WhatsApp.
    """
    if address.channel is not Channel.WHATSAPP:
        message = "Only a WhatsApp sender has a daily limit; SMS has none."
        raise InvalidInput(message)
    if limit is not None and not 0 <= limit <= MOST_A_DAY:
        message = f"A daily limit is 0 (none) to {MOST_A_DAY:,} people."
        raise InvalidInput(message)
    _find(session, address).daily_limit = limit


def start_again(session: Session, sender_id: int) -> bool:
    """Let a sender go on that the provider refused; tell whether it stood still."""
    stood = sender_id in pacing.stopped(session)
    if stood:
        pacing.start_again(session, [sender_id])
    return stood


def find(session: Session, address: Address) -> int:
    """Return the id of the sender at this address.

    Raises:
        NotFound: there is none.
    """
    return _find(session, address).id


def _find(session: Session, address: Address) -> Sender:
    found = lists.find_sender(session, address)
    if found is None:
        message = "There is no such sender. See all with: broadcaster sender list"
        raise NotFound(message)
    return found


def _standings(
    session: Session,
    settings: Settings,
    found: Iterable[tuple[Sender, Pacing | None]],
    now: datetime,
) -> list[Standing]:
    names = stored.names_of_lists(session)
    return [
        Standing(
            sender=sender,
            lists=names.get(sender.id, []),
            rate=_rate(settings, sender),
            daily_limit=_daily_limit(settings, sender),
            reached=outreach.count(session, sender.id, now - _DAY),
            stopped_code=bucket.stopped_code if bucket else None,
            paused_until=pacing.paused_until(bucket, now) if bucket else None,
        )
        for sender, bucket in found
    ]


def _rate(settings: Settings, sender: Sender) -> float:
    if sender.rate is not None:
        return sender.rate
    is_sms = sender.channel == Channel.SMS
    return settings.sending.sms_rate if is_sms else settings.sending.whatsapp_rate


def _daily_limit(settings: Settings, sender: Sender) -> int:
    if sender.channel != Channel.WHATSAPP:
        return 0
    own = sender.daily_limit
    return settings.sending.whatsapp_daily_limit if own is None else own
