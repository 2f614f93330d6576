"""A quick look at leaves: what verification needs of the consent entries that nearly all leaves are.

Parsing a leaf in full takes many times as long as hashing it. The pattern here matches only leaves
that `entry.parse` accepts, and by far not all of them: what it does not match is parsed in full.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass

from broadcaster.ledger.entry import EVENTS_WITH_REASON, METHODS_WITH_REASON
from broadcaster.ledger.histories import NO_ENTRY
from broadcaster.ledger.words import Channel, Event, Method, State

_HASH = "[0-9a-f]{64}"
_NAME = r"[!#-\[\]-~]{1,200}"  # printable ASCII that JSON never escapes
_NUMBER = "[1-9][0-9]{0,14}"
# 29 February is left to the full parser, which knows the calendar.
_DAY = (
    "(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_MOMENT = rf"{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"
_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_EVENT = "|".join(sorted(set(Event) - EVENTS_WITH_REASON))
_METHOD = "|".join(sorted(set(Method) - METHODS_WITH_REASON))
# None of the classes holds a line feed, so a match is one line, whole.
_LINE = re.compile(
    rf'(?m:^){{"actor":"{_NAME}","basis":"{_NAME}","channel":"(?:{"|".join(Channel)})",'
    rf'"config":"{_HASH}","event":"(?:{_EVENT})","evidence":"{_HASH}",'
    rf'"id":"{_UUID4}",'
    rf'"list":"{_NAME}","method":"(?:{_METHOD})","notice":(?:null|{{"id":"{_NAME}",'
    rf'"lang":"[a-z]{{2,3}}","sha256":"({_HASH})","version":{_NUMBER}}}),'
    rf'"occurred":"{_MOMENT}","prev":(null|0|{_NUMBER}),'
    rf'"purpose":"{_NAME}","reason":null,"recorded":"{_MOMENT}",'
    rf'"rule":"{_NAME}","state":"(?:{"|".join(State)})","subject":"([0-9a-f]{{32}})",'
    rf'"terms":(?:null|{{"sha256":"({_HASH})","version":{_NUMBER}}}),'
    r'"v":"broadcaster/consent/1","validity":"(?:until-withdrawn|P[0-9]{1,4}[YMWD])"}(?m:$)'.encode()
)
_SUBJECT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What leaves say about their place among the others.

    Attributes:
        subjects: Their subjects, 16 bytes each, in order.
        prevs: The indices they name as their subjects' previous entries; `NO_ENTRY` for none.
        notices: SHA-256 of every notice that they name, hex.
        terms: SHA-256 of all terms that they name, hex.
    """

    subjects: Sequence[bytes]
    prevs: Sequence[int]
    notices: set[str]
    terms: set[str]


def glance(leaves: Sequence[bytes]) -> Seen | None:
    """Look at leaves; None means that one of them has to be parsed, not that it is wrong.

    Args:
        leaves: At least one; no line feed is in any of them.
    """
    found = _LINE.findall(b"\n".join(leaves))
    if len(found) != len(leaves):
        return None
    notices, prevs, subjects, terms = zip(*found, strict=True)
    raw = unhexlify(b"".join(subjects))
    return Seen(
        subjects=[raw[at : at + _SUBJECT_BYTES] for at in range(0, len(raw), _SUBJECT_BYTES)],
        prevs=[NO_ENTRY if prev == b"null" else int(prev) for prev in prevs],
        notices={digest.decode() for digest in set(notices) if digest},
        terms={digest.decode() for digest in set(terms) if digest},
    )
