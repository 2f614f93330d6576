"""Everything the pretended Twilio remembers: messages, who stopped, and open windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from broadcaster.sandbox import addresses
from broadcaster.sandbox.message import Direction, Message

WINDOW = timedelta(hours=24)


class Store:
    """Messages by sid, by address and by phone; nothing here looks through all of them."""

    def __init__(self) -> None:
        self._all: list[Message] = []
        self._by_sid: dict[str, Message] = {}
        self._by_to: defaultdict[str, list[Message]] = defaultdict(list)
        self._by_sender: defaultdict[str, list[Message]] = defaultdict(list)
        self._threads: defaultdict[str, list[Message]] = defaultdict(list)
        self._stopped: set[tuple[str, str]] = set()
        self._windows: dict[tuple[str, str], datetime] = {}
        self._watchers: list[Callable[[str], None]] = []

    def add(self, message: Message) -> None:
        """Keep a message; Twilio's own replies are kept for the phone only."""
        phone = message.sender if message.direction is Direction.INBOUND else message.to
        self._threads[addresses.number_of(phone)].append(message)
        if message.direction is not Direction.SERVICE:
            message.number = len(self._all) + 1
            self._all.append(message)
            self._by_sid[message.sid] = message
            self._by_to[message.to].append(message)
            self._by_sender[message.sender].append(message)
        self.changed(message)

    def changed(self, message: Message) -> None:
        """Tell the watchers that a phone's messages look different now."""
        phone = message.sender if message.direction is Direction.INBOUND else message.to
        number = addresses.number_of(phone)
        for watcher in self._watchers:
            watcher(number)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call ``watcher`` with the number of each phone whose messages change."""
        self._watchers.append(watcher)

    def find(self, sid: str, *, even_deleted: bool = False) -> Message | None:
        """Return the message with this sid; a deleted one only when asked for."""
        message = self._by_sid.get(sid)
        return None if message is None or (message.deleted and not even_deleted) else message

    def candidates(self, *, to: str | None, sender: str | None) -> Sequence[Message]:
        """Return the shortest list that holds every message to and from these, oldest first."""
        lists: list[Sequence[Message]] = [self._all]
        if to is not None:
            lists.append(self._by_to.get(to, []))
        if sender is not None:
            lists.append(self._by_sender.get(sender, []))
        return min(lists, key=len)

    def thread(self, number: str) -> Sequence[Message]:
        """Return all messages of a phone on every channel, oldest first."""
        return self._threads.get(number, [])

    def stop(self, sender: str, phone: str) -> bool:
        """Block a sender's messages to a phone; return whether they were not blocked before."""
        if (sender, phone) in self._stopped:
            return False
        self._stopped.add((sender, phone))
        return True

    def unstop(self, sender: str, phone: str) -> bool:
        """Lift the block; return whether there was one."""
        if (sender, phone) not in self._stopped:
            return False
        self._stopped.remove((sender, phone))
        return True

    def is_stopped(self, sender: str, phone: str) -> bool:
        """Say whether this phone has stopped this sender."""
        return (sender, phone) in self._stopped

    def open_window(self, sender: str, phone: str, now: datetime) -> None:
        """Open WhatsApp's window of 24 hours between a sender and a phone."""
        self._windows[sender, phone] = now

    def window_is_open(self, sender: str, phone: str, now: datetime) -> bool:
        """Say whether a sender may write a free-form message to a phone."""
        opened = self._windows.get((sender, phone))
        return opened is not None and now < opened + WINDOW

    def summary(self, now: datetime) -> dict[str, object]:
        """Return counts, blocks and open windows for the control interface."""
        return {
            "messages": len(self._all),
            "stopped": [{"sender": s, "phone": p} for s, p in sorted(self._stopped)],
            "windows": [
                {"sender": s, "phone": p, "until": (at + WINDOW).isoformat()}
                for (s, p), at in sorted(self._windows.items())
                if now < at + WINDOW
            ],
        }
