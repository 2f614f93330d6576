"""Vetting: which rows of an import may bring a person to a list, given what we know of them.

An import can never undo an opt-out, whenever it was and on whichever channel: only the person can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.importing import MOST_WORDINGS, Refusal
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.entry import DocumentKind
from broadcaster.services.preparing import Batch, Candidate, others_than
from broadcaster.storage import enrolling, ledger, suppressions

#: Tells which numbers, by blind index, an earlier row of the same file has brought, given also by
#: which entry each of those who are on the list is.
Brought = Callable[[Collection[bytes], dict[bytes, int]], set[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What all rows of an import have in common.

    Args:
        list_id: the list's number.
        slug: its stable id, as entries name it.
        channel: on which channel people are to be reached.
        sha256: the file's hash.
        actor: who imports, as entries name them.
        reason: why.
    """

    list_id: int
    slug: str
    channel: Channel
    sha256: str
    actor: str
    reason: str


@dataclass(slots=True)
class Verdict:
    """What becomes of some rows.

    Args:
        admitted: places of the candidates that join, each with who they are if we know them.
        refused: line and reason of each row that brings nobody.
        already: how many are on the list already.
    """

    admitted: list[tuple[int, enrolling.Known | None]] = field(default_factory=list)
    refused: list[tuple[int, Refusal]] = field(default_factory=list)
    already: int = 0


def vet(
    session: Session,
    keyring: Keyring,
    order: Order,
    batch: Batch,
    *,
    wordings: list[str],
    brought: Brought,
    locked: bool,
) -> Verdict:
    """Decide on candidates, in their order.

    Args:
        session: an open transaction.
        keyring: finds people by their numbers.
        order: the import.
        batch: what rows claim.
        wordings: hashes of the wordings that the import has used; new ones are added.
        brought: which numbers earlier rows have brought.
        locked: whether to lock the people we know until the transaction ends.
    """
    candidates = batch.candidates
    facts = _look(session, keyring, order, candidates, brought=brought, locked=locked)
    verdict = Verdict()
    suspects = facts.suspects()
    for place, one in enumerate(candidates):
        person = facts.known.get(one.key)
        if (
            person is None
            and one.number not in suspects
            and one.key not in facts.brought
            and one.wording in wordings
        ):
            # Nearly always: somebody of whom we know nothing.
            facts.brought.add(one.key)
            verdict.admitted.append((place, None))
            continue
        refusal = facts.refusal(one, person)
        if refusal is None and person is not None and facts.is_on(person):
            verdict.already += 1
            continue
        refusal = refusal or _wording_refusal(session, batch, one.wording, wordings)
        if refusal is not None:
            verdict.refused.append((one.line, refusal))
            continue
        facts.brought.add(one.key)
        verdict.admitted.append((place, person))
    return verdict


@dataclass(slots=True, kw_only=True)
class _Facts:
    """What we know of the people in question."""

    known: dict[bytes, enrolling.Known]
    standings: dict[int, tuple[bool, int]]
    blocked: set[int]
    own: set[str]
    erased: set[str]
    elsewhere: dict[str, Refusal]
    brought: set[bytes]

    def is_on(self, person: enrolling.Known) -> bool:
        return self.standings.get(person.id, (False, 0))[0]

    def suspects(self) -> set[str]:
        """Return the numbers of which we know anything, whoever's they are."""
        return {*self.own, *self.erased, *self.elsewhere}

    def refusal(self, one: Candidate, person: enrolling.Known | None) -> Refusal | None:
        number = one.number
        if one.key in self.brought:
            return Refusal.DUPLICATE
        if number in self.own:
            return Refusal.OWN
        if number in self.erased:
            return Refusal.ERASED
        refusal = self._of_person(person) if person is not None else None
        return refusal or self.elsewhere.get(number)

    def _of_person(self, person: enrolling.Known) -> Refusal | None:
        if person.stopped:
            return Refusal.STOPPED
        if person.id in self.standings:
            return None if self.standings[person.id][0] else Refusal.LEFT
        return Refusal.BLOCKED if person.id in self.blocked else None


def _look(
    session: Session,
    keyring: Keyring,
    order: Order,
    candidates: Sequence[Candidate],
    *,
    brought: Brought,
    locked: bool,
) -> _Facts:
    own = enrolling.own_numbers(session)
    # Nobody can have written on a channel on which we have no number.
    elsewhere = {
        one.elsewhere[place]: one.number
        for place, channel in enumerate(others_than(order.channel))
        if channel.value in own
        for one in candidates
    }
    indexes = {one.key for one in candidates}
    known = enrolling.known(session, [*indexes, *elsewhere], locked=locked)
    # Read after the locks are held: what was decided until then counts.
    standings = enrolling.standings(session, order.list_id, [one.id for one in known.values()])
    here = [one.id for one in known.values() if one.key in indexes]
    entries = {
        one.key: standings[one.id][1]
        for one in known.values()
        if one.key in indexes and standings.get(one.id, (False, 0))[0]
    }
    return _Facts(
        known=known,
        standings=standings,
        blocked=enrolling.blocked(session, order.list_id, order.channel.value, here),
        own=set().union(*own.values()),
        erased={
            address.value
            for address in suppressions.forgotten(
                session, keyring, (Address(order.channel, one.number) for one in candidates)
            )
        },
        elsewhere=_elsewhere(known, standings, elsewhere),
        brought=brought(indexes, entries),
    )


def _elsewhere(
    known: dict[bytes, enrolling.Known],
    standings: dict[int, tuple[bool, int]],
    elsewhere: dict[bytes, str],
) -> dict[str, Refusal]:
    """Say who has stopped or left on another channel, by number."""
    found = {}
    for index, number in elsewhere.items():
        person = known.get(index)
        if person is None:
            continue
        if person.stopped:
            found[number] = Refusal.STOPPED
        elif not standings.get(person.id, (True, 0))[0]:
            found[number] = Refusal.LEFT
    return found


def _wording_refusal(
    session: Session, batch: Batch, wording: str, wordings: list[str]
) -> Refusal | None:
    if wording in wordings:
        return None
    if len(wordings) >= MOST_WORDINGS:
        return Refusal.WORDINGS
    kept = ledger.document(session, wording)
    is_known = wording in batch.wordings if kept is None else kept.kind == DocumentKind.NOTICE
    if not is_known:
        return Refusal.WORDING_UNKNOWN
    wordings.append(wording)
    return None
