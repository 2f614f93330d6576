"""A quick look at leaves: what verification needs of the consent entries that nearly all leaves are.

Parsing a leaf in full takes many times as long as hashing it. Leaves of one *layout* differ only in
a few slots, always at the same places: so many of them are cut up at once, what must be the same
is compared, and each slot is checked as one column. A layout is learned from a leaf that a pattern
matches, and the pattern matches only leaves that `entry.parse` accepts, by far not all of them.
What neither knows is left to be parsed in full.
"""

from __future__ import annotations

import re
import struct
from binascii import unhexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from broadcaster.ledger.entry import EVENTS_WITH_REASON, METHODS_WITH_REASON
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
_LEAF = re.compile(
    rf'{{"actor":"{_NAME}","basis":"{_NAME}","channel":"(?:{"|".join(Channel)})",'
    rf'"config":"{_HASH}","event":"(?:{_EVENT})","evidence":"(?P<evidence>{_HASH})",'
    rf'"id":"(?P<id>{_UUID4})",'
    rf'"list":"{_NAME}","method":"(?:{_METHOD})","notice":(?:null|{{"id":"{_NAME}",'
    rf'"lang":"[a-z]{{2,3}}","sha256":"(?P<notice>{_HASH})","version":{_NUMBER}}}),'
    rf'"occurred":"(?P<occurred>{_MOMENT})","prev":(?P<prev>null|0|{_NUMBER}),'
    rf'"purpose":"{_NAME}","reason":null,"recorded":"(?P<recorded>{_MOMENT})",'
    rf'"rule":"{_NAME}","state":"(?:{"|".join(State)})","subject":"(?P<subject>[0-9a-f]{{32}})",'
    rf'"terms":(?:null|{{"sha256":"(?P<terms>{_HASH})","version":{_NUMBER}}}),'
    r'"v":"broadcaster/consent/1","validity":"(?:until-withdrawn|P[0-9]{1,4}[YMWD])"}'.encode()
)
_SLOTS = ("evidence", "id", "occurred", "prev", "recorded", "subject")
_DAYS = re.compile(_DAY.encode())
_HEX = b"0123456789abcdef"
_HOURS = {b"T%02d:" % hour for hour in range(24)}
_SUBJECT_BYTES = 16
# Where a moment has digits of any kind: the end of minutes and seconds, and the microseconds.
_MOMENT_DIGITS = (15, 18, *range(20, 26))
_NULL = b"null"
# Of so many layouts of one length those are tried that were last of use.
_LAYOUTS = 12

Column = tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What leaves of one layout say about their place among the others.

    Attributes:
        places: Which leaves, counted from 0.
        subjects: Their subjects, 16 bytes each.
        prevs: The indices they name as their subjects' previous entries; None where they name none.
        notice: SHA-256 of the notice that all of them name, hex.
        terms: SHA-256 of the terms that all of them name, hex.
    """

    places: Sequence[int]
    subjects: Sequence[bytes]
    prevs: Sequence[int] | None
    notice: str | None
    terms: str | None


class Glance:
    """Looks at leaves, and remembers the layouts it has seen."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[_Layout]] = {}

    def look(self, leaves: Sequence[bytes]) -> tuple[list[Seen], list[int]]:
        """Look at leaves.

        Returns:
            What was seen, and the places of all others, in order: those have to be parsed; they
            need not be wrong.
        """
        by_length: dict[int, list[int]] = {}
        for place, length in enumerate(map(len, leaves)):
            if length in by_length:
                by_length[length].append(place)
            else:
                by_length[length] = [place]
        seen: list[Seen] = []
        unknown: list[int] = []
        for length, places in by_length.items():
            self._look_at_length(length, places, leaves, seen, unknown)
        return seen, sorted(unknown)

    def _look_at_length(
        self,
        length: int,
        places: list[int],
        leaves: Sequence[bytes],
        seen: list[Seen],
        unknown: list[int],
    ) -> None:
        layouts = self._layouts.setdefault(length, [])
        for layout in tuple(layouts):
            places = _take(layout, places, leaves, seen, unknown)
            if not places:
                return
        while places:
            learned = _Layout.of(leaves[places[0]])
            if learned is None:
                unknown.append(places.pop(0))
                continue
            layouts.insert(0, learned)
            del layouts[_LAYOUTS:]
            places = _take(learned, places, leaves, seen, unknown)


def _take(
    layout: _Layout,
    places: list[int],
    leaves: Sequence[bytes],
    seen: list[Seen],
    unknown: list[int],
) -> list[int]:
    """Take the leaves that are of a layout; give back the places of the others."""
    columns = layout.columns(places, leaves)
    fits = layout.fits(columns)
    if fits is None:
        _see(layout, places, columns, seen, unknown)
        return []
    mine = list(compress(places, fits))
    if mine:
        _see(layout, mine, [tuple(compress(one, fits)) for one in columns], seen, unknown)
    return [place for place, fit in zip(places, fits, strict=True) if not fit]


def _see(
    layout: _Layout,
    places: list[int],
    columns: list[Column],
    seen: list[Seen],
    unknown: list[int],
) -> None:
    """Read the slots of all of them at once; where that fails, of half of them at a time."""
    found = layout.see(places, columns)
    if found is not None:
        seen.append(found)
    elif len(places) == 1:
        unknown += places
    else:
        middle = len(places) // 2
        _see(layout, places[:middle], [one[:middle] for one in columns], seen, unknown)
        _see(layout, places[middle:], [one[middle:] for one in columns], seen, unknown)


class _Layout:
    """Where the slots of a leaf are, and what stands between them."""

    def __init__(self, leaf: bytes, found: re.Match[bytes]) -> None:
        self._slots = [name for name in _SLOTS if found[name] != _NULL]
        form, at, constants = "", 0, []
        for name in self._slots:
            start, end = found.span(name)
            form += f"{start - at}s{end - start}s"
            constants.append(leaf[at:start])
            at = end
        constants.append(leaf[at:])
        self._constants = constants
        self._cut = struct.Struct(f"{form}{len(leaf) - at}s").iter_unpack
        self._notice = _text(found["notice"])
        self._terms = _text(found["terms"])

    @classmethod
    def of(cls, leaf: bytes) -> _Layout | None:
        found = _LEAF.fullmatch(leaf)
        return cls(leaf, found) if found else None

    def columns(self, places: Sequence[int], leaves: Sequence[bytes]) -> list[Column]:
        """Cut up leaves that are as long as this layout: in turn a constant and a slot."""
        joined = b"".join([leaves[place] for place in places])
        return list(zip(*self._cut(joined), strict=True))

    def fits(self, columns: list[Column]) -> list[bool] | None:
        """Tell which leaves are of this layout; None if all are."""
        constants = columns[::2]
        # Where others name an entry, some of the same length may name none: another layout.
        named = columns[2 * self._slots.index("prev") + 1] if "prev" in self._slots else ()
        total = len(columns[0])
        counts = map(tuple.count, constants, self._constants)
        if all(count == total for count in counts) and _NULL not in named:
            return None
        wanted = tuple(self._constants)
        return [
            row == wanted and prev != _NULL
            for row, prev in zip(zip(*constants, strict=True), named or constants[0], strict=True)
        ]

    def see(self, places: Sequence[int], columns: list[Column]) -> Seen | None:
        """Read the slots of leaves of this layout; None if one of them holds what it must not."""
        slots = dict(zip(self._slots, columns[1::2], strict=True))
        if not _are_sound(slots):
            return None
        subjects = unhexlify(b"".join(slots["subject"]))
        return Seen(
            places=places,
            subjects=[
                subjects[at : at + _SUBJECT_BYTES] for at in range(0, len(subjects), _SUBJECT_BYTES)
            ],
            prevs=list(map(int, slots["prev"])) if "prev" in slots else None,
            notice=self._notice,
            terms=self._terms,
        )


def _text(digest: bytes | None) -> str | None:
    return None if digest is None else digest.decode()


def _are_sound(slots: Mapping[str, Column]) -> bool:
    hashes = b"".join(slots["evidence"] + slots["subject"])
    return (
        not hashes.translate(None, _HEX)
        and _are_ids(slots["id"])
        and _are_moments(slots["occurred"] + slots["recorded"])
        and _are_numbers(slots.get("prev", ()))
    )


def _are_ids(column: Column) -> bool:
    ids, width, count = b"".join(column), len(column[0]), len(column)
    dashes = b"-" * count
    return (
        ids[8::width] == ids[13::width] == ids[18::width] == ids[23::width] == dashes
        and len(ids.translate(None, _HEX)) == 4 * count
        and ids[14::width] == b"4" * count
        and not ids[19::width].translate(None, b"89ab")
    )


def _are_moments(column: Column) -> bool:
    text, width, count = b"".join(column), len(column[0]), len(column)
    return (
        text[16::width] == b":" * count
        and text[19::width] == b"." * count
        and text[26::width] == b"Z" * count
        and not (text[14::width] + text[17::width]).translate(None, b"012345")
        and b"".join([text[at::width] for at in _MOMENT_DIGITS]).isdigit()
        and _are_hours(column, text)
        and _are_days(column, text)
    )


def _are_hours(column: Column, text: bytes) -> bool:
    count, width = len(column), len(column[0])
    tens, ones = text[11::width], text[12::width]
    if text[10::width] != b"T" * count or text[13::width] != b":" * count:
        return False
    if not tens.translate(None, b"01") and ones.isdigit():
        return True
    return {moment[10:14] for moment in column} <= _HOURS


def _are_days(column: Column, text: bytes) -> bool:
    day, count, width = column[0][:10], len(column), len(column[0])
    # Nearly always one day, or few: entries are in the order of time.
    if all(text[at::width] == day[at : at + 1] * count for at in range(10)):
        return _DAYS.fullmatch(day) is not None
    return all(map(_DAYS.fullmatch, {moment[:10] for moment in column}))


def _are_numbers(column: Column) -> bool:
    if not column:
        return True
    digits, width = b"".join(column), len(column[0])
    return digits.isdigit() and (width == 1 or b"0" not in digits[::width])
