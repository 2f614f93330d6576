"""Which message of the provider's list came of a request whose answer was lost.

A provider that knows no idempotency key names nothing of ours in its list, so a message is
recognised by whom it went to, who it came from, its words and its time. The reader of the list has
asked for one person; the rest is decided here.

Words are a weak sign: a provider may put a line before them, shorten their links or write their
quotation marks differently. So other words alone never prove that a message is not ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from broadcaster.core.address import Address
from broadcaster.core.messages import Direction, Listed, ProviderStatus

#: How far apart our clock and the provider's may be: ours may have been set while a request was
#: under way. It costs nothing to be generous, for every message that we know of is left out; a day
#: would be too much, because a daily bulletin may say the same each morning.
CLOCK_SLACK = timedelta(hours=6)
_LINK = re.compile(r"\b(?:https?://)?[\w-]+(?:\.[\w-]+)+(?:/\S*)?", re.IGNORECASE)
_NOT_TAKEN = frozenset({ProviderStatus.FAILED, ProviderStatus.CANCELED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for one person, of which nobody knows whether the provider took it.

    Args:
        delivery_id: what it was for.
        sender: whom it is from.
        text: its words.
        since: no message created before this moment can have come of it.
    """

    delivery_id: int
    sender: Address
    text: str = field(repr=False)
    since: datetime


class Finding(StrEnum):
    """What the list says of a request."""

    TAKEN = "taken"  # it is there
    REFUSED = "refused"  # it is there, and went no further
    HIDDEN = "hidden"  # something without words is there, which it may be
    UNCLEAR = "unclear"  # something is there that it may be, nobody can say whether it is
    ABSENT = "absent"  # nothing there can be it


@dataclass(frozen=True, slots=True)
class Found:
    """What the list says of a request, and by which message.

    Args:
        finding: what it says.
        message: the one it came to, if that is known.
        spare: the provider's ids of more such messages, for which there is no request.
    """

    finding: Finding
    message: Listed | None = None
    spare: tuple[str, ...] = ()


def words(text: str) -> str:
    """Return a text without what a provider may change of it: line ends, and blanks around it."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return unicodedata.normalize("NFC", plain)


def letters(text: str) -> str:
    """Return what stays of a text whatever a provider changes in it: letters and digits, no links.

    Twilio writes quotation marks, dashes and the like differently (smart encoding) and shortens
    links.
    """
    plain = unicodedata.normalize("NFKD", _LINK.sub(" ", text)).casefold()
    return "".join(character for character in plain if character.isalnum())


def may_be(message: Listed, text: str) -> bool:
    """Tell whether a message has the words of a text, with something before, after or altered."""
    said = letters(text)
    return words(text) in words(message.text) or (bool(said) and said in letters(message.text))


def earliest(handed: datetime, now: datetime) -> datetime:
    """Return the moment before which no message can have come of a request.

    Args:
        handed: when it was handed over, by a clock that may have been set since.
        now: the present moment.
    """
    return min(handed, now) - CLOCK_SLACK


def is_taken(message: Listed) -> bool:
    """Tell whether a message was accepted; what was refused is listed, too."""
    return message.status not in _NOT_TAKEN


def is_ours(message: Listed) -> bool:
    """Tell whether a message was made by a request, and not as the answer to a webhook."""
    return message.direction is Direction.OUTBOUND_API


def is_hidden(message: Listed) -> bool:
    """Tell whether the provider no longer keeps what a message said."""
    return not message.text and not message.media


def find(
    wanted: Request,
    rivals: Iterable[Request],
    listed: Iterable[Listed],
    attributed: Collection[str],
) -> Found:
    """Find the message that came of a request.

    Args:
        wanted: the request.
        rivals: all other requests for this person of which nobody knows, read after the list was.
        listed: the messages to this person.
        attributed: the provider's ids that are known to belong to something else.
    """
    free = sorted(
        (one for one in listed if is_ours(one) and one.sid not in attributed),
        key=lambda one: (one.created, one.sid),
    )
    same = [one for one in free if words(one.text) == words(wanted.text) and not is_hidden(one)]
    mine = [one for one in same if _fits(one, wanted)]
    rivals = list(rivals)
    competing = [one for one in rivals if _is_like(one, wanted) and _reaches_any(one, same)]
    if mine and competing:
        return _among(wanted, competing, same)
    if mine:
        taken = [one for one in mine if is_taken(one)]
        return _found(taken or mine[:1])
    left = [one for one in free if is_taken(one) and _fits(one, wanted)]
    if any(is_hidden(one) for one in left):
        return Found(Finding.HIDDEN)
    # We never send a picture without words.
    return _among_altered(wanted, rivals, [one for one in left if one.text])


def _among(wanted: Request, rivals: Sequence[Request], same: Sequence[Listed]) -> Found:
    """Share messages out over requests with the same words: the latest to the latest.

    Only if there is one for each is anything certain: else it is any of them that was not taken.
    Of the same moment the ids decide, so that each request is given another one.
    """
    left = list(same)
    chosen: Listed | None = None
    in_turn = sorted([wanted, *rivals], key=lambda one: (one.since, one.delivery_id), reverse=True)
    for request in in_turn:
        fits = _fits if request is wanted else _reaches
        fitting = [one for one in left if fits(one, request)]
        if not fitting:
            return Found(Finding.UNCLEAR)
        left.remove(fitting[-1])
        if request is wanted:
            chosen = fitting[-1]
    return Found(Finding.UNCLEAR) if chosen is None else _found([chosen])


def _among_altered(wanted: Request, rivals: Iterable[Request], left: Sequence[Listed]) -> Found:
    """Say what messages with other words mean: each that nothing else explains may be the one.

    A rival explains one message with exactly its words. What holds our whole text is ours, unless
    a rival may have been altered into it as well.
    """
    other, unmet = list(left), []
    for rival in rivals:
        its = (one for one in other if words(one.text) == words(rival.text))
        met = next((one for one in its if _reaches(one, rival)), None)
        if met is None:
            unmet.append(rival)
        else:
            other.remove(met)
    holding = [one for one in other if words(wanted.text) in words(one.text)]
    if holding and not any(_reaches_any(rival, holding) for rival in unmet):
        return _found(holding)
    return Found(Finding.UNCLEAR if other else Finding.ABSENT)


def _found(messages: Sequence[Listed]) -> Found:
    """Say that the first of these is the one: more of them than requests are spare."""
    first, *spare = messages
    finding = Finding.TAKEN if is_taken(first) else Finding.REFUSED
    return Found(finding, first, tuple(one.sid for one in spare))


def _fits(message: Listed, request: Request) -> bool:
    """Tell whether a message can have come of a request; the provider may not name the sender."""
    return message.sender in {None, request.sender} and message.created >= request.since


def _is_like(rival: Request, wanted: Request) -> bool:
    return rival.sender == wanted.sender and words(rival.text) == words(wanted.text)


def _reaches(message: Listed, rival: Request) -> bool:
    """Tell whether a message may be another's: one that is much later is not."""
    return _fits(message, rival) and message.created <= rival.since + 2 * CLOCK_SLACK


def _reaches_any(rival: Request, messages: Iterable[Listed]) -> bool:
    return any(_reaches(one, rival) for one in messages)
