"""Which entry allowed a message, and whether the ledger says that it did."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from broadcaster.core.delivery import TAKEN
from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger.fields import format_moment
from broadcaster.services import history
from broadcaster.services.history import Placed
from broadcaster.storage import frozen, replay
from broadcaster.storage.frozen import Sent
from broadcaster.storage.models import BroadcastList, Bulletin

_SID = re.compile(r"(SM|MM)[0-9a-f]{32}")
_TAKEN = frozenset(state.value for state in TAKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A message of a bulletin, and the entry that allowed it.

    Args:
        sent: the delivery.
        bulletin: what it was part of.
        item: its list.
        fault: what is wrong, in a sentence; None if the ledger allows it.
    """

    sent: Sent
    bulletin: Bulletin
    item: BroadcastList
    fault: str | None


def find(session: Session, named: str) -> Allowed:
    """Find a message by the provider's id or the number of its delivery, and judge it.

    Args:
        session: reading is enough.
        named: ``SM…``, or a number.

    Raises:
        InvalidInput: it is neither.
        NotFound: no message of a bulletin has it.
        LedgerError: an entry of its person cannot be read.
    """
    named = named.strip()
    if _SID.fullmatch(named):
        sent = frozen.by_sid(session, named)
    elif named.isascii() and named.isdigit():
        sent = frozen.by_number(session, int(named[:19]))
    else:
        message = (
            "Name a message by its id, SM and 32 hex digits, or by the number of its delivery."
        )
        raise InvalidInput(message)
    if sent is None:
        message = (
            "No message of a bulletin has that id. Answers to what people texted need no entry; "
            "they are with the text that they answer."
        )
        raise NotFound(message)
    bulletin, item = frozen.with_lists(session, [sent.bulletin_id])[sent.bulletin_id]
    entries = [] if sent.subject is None else of_subjects(session, [sent.subject])[sent.subject]
    return Allowed(sent=sent, bulletin=bulletin, item=item, fault=judge(sent, entries, item.slug))


def of_subjects(session: Session, subjects: Sequence[str]) -> dict[str, list[Placed]]:
    """Return what the entries of these subjects say of lists, in the order of the log.

    Raises:
        LedgerError: an entry cannot be read.
    """
    found: dict[str, list[Placed]] = defaultdict(list)
    for subject, index, leaf in replay.entries(session, subjects):
        read = history.read(leaf)
        if read is not None and read.subject.decode() == subject:
            found[subject].append(Placed(index, read))
    return found


def was_handed_over(sent: Sent) -> bool:
    """Tell whether a request was made, or the provider has the message whatever we believed."""
    return sent.handed is not None or sent.state in _TAKEN


def judge(sent: Sent, entries: Sequence[Placed], name: str) -> str | None:
    """Say what is wrong with the entry by which a message was allowed; None if nothing is.

    It must be an entry of that person that put them on that list, be there when the message was
    handed over, and no later one may have taken them off, or put them on anew, before the message
    was allowed.

    Args:
        sent: the delivery.
        entries: all of that person, in order.
        name: the list's stable id.
    """
    if not was_handed_over(sent):
        return None
    if sent.entry is None:
        return "no entry is written down for it"
    wanted = name.encode()
    of_it = {place.entry: place.change for place in entries}.get(sent.entry)
    if of_it is None:
        return f"entry {sent.entry} is not of this person"
    if not history.puts_on(of_it, wanted):
        return f"entry {sent.entry} does not put this person on {name}"
    if sent.handed is not None and of_it.recorded > format_moment(sent.handed).encode():
        return f"entry {sent.entry} was recorded after the message was handed over"
    newer = _overtaken(sent, entries, wanted)
    return None if newer is None else f"entry {newer} came before the message and says otherwise"


def _overtaken(sent: Sent, entries: Sequence[Placed], name: bytes) -> int | None:
    """Return a later entry about the list that was there when the message was allowed."""
    if sent.entry is None or sent.claimed is None:
        return None
    # Entries of the same microsecond may be of after it: consent is decided before the moment is over.
    claimed = format_moment(sent.claimed).encode()
    for place in entries:
        is_newer = place.entry > sent.entry and place.change.recorded < claimed
        if is_newer and history.puts_on(place.change, name) is not None:
            return place.entry
    return None
