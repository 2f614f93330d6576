"""The evidence, looked up by what a verdict asks of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from broadcaster.cli.faults.evidence import Bulletin, Consent, Evidence, Member, Request, Said
from broadcaster.cli.faults.plan import JOIN, LEAVE


class Case:
    """A round's evidence with the questions that can be put to it.

    Args:
        evidence: what was found.

    Attributes:
        evidence: the same.
        requests: every request to send a bulletin, with the bulletin.
        accepted: those that the provider took, by bulletin and address.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        by_text = {one.text: one for one in evidence.bulletins}
        self.requests: Sequence[tuple[Bulletin, Request]] = [
            (by_text[one.body], one) for one in evidence.journal.requests if one.body in by_text
        ]
        self.accepted: defaultdict[tuple[int, str], list[Request]] = defaultdict(list)
        for bulletin, request in self.requests:
            if request.accepted:
                self.accepted[bulletin.number, request.to].append(request)
        self._said: defaultdict[str, list[Said]] = defaultdict(list)
        for text in evidence.journal.texts:
            self._said[text.phone].append(text)
        self._members = {(one.bulletin, one.phone): one for one in evidence.members}
        self._entries: defaultdict[str, list[Consent]] = defaultdict(list)
        for consent in evidence.consents.values():
            self._entries[consent.subject].append(consent)

    def bulletin(self, number: int) -> Bulletin:
        """Return a bulletin."""
        return next(one for one in self.evidence.bulletins if one.number == number)

    def audience(self, bulletin: Bulletin) -> list[Member]:
        """Return everybody whom the product counted in."""
        return [one for one in self.evidence.members if one.bulletin == bulletin.number]

    def member(self, number: int, phone: str) -> Member | None:
        """Return a person's place in a bulletin's audience, if they have one."""
        return self._members.get((number, phone))

    def stops_before(self, phone: str, moment: datetime) -> list[Said]:
        """Return the stops that were in force for a person at a moment: those since they joined."""
        stops: list[Said] = []
        for text in self._said[phone]:
            if text.sent < moment and text.body == JOIN:
                stops.clear()
            elif text.sent < moment and text.body in LEAVE:
                stops.append(text)
        return stops

    def joined_between(self, phone: str, begin: datetime, end: datetime) -> bool:
        """Tell whether a person asked to join between two moments."""
        return any(one.body == JOIN and begin < one.sent < end for one in self._said[phone])

    def faithful(self, moment: datetime) -> Iterator[str]:
        """Yield who joined before a moment, was answered, and never left."""
        for phone, texts in self._said.items():
            joined = any(
                one.body == JOIN and one.answered and one.answered < moment for one in texts
            )
            if joined and not any(one.body in LEAVE for one in texts):
                yield phone

    def is_permitted(self, member: Member) -> bool:
        """Tell whether the entry that a delivery names was that person's newest word, and a yes."""
        entry = None if member.entry is None else self.evidence.consents.get(member.entry)
        if entry is None or entry.subject != member.subject or not entry.given:
            return False
        return not any(
            other.index > entry.index
            and member.intended is not None
            and other.recorded < member.intended
            for other in self._entries[member.subject]
        )
