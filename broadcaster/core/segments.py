"""How many SMS a text becomes, and which letters make it dearer.

A text whose letters are all in the GSM 7-bit alphabet (3GPP TS 23.038) fits 160 to a message, any
other 70. A longer text is cut into segments that each lose some room to a header. What a reader
sees as one character is kept whole at a border, as Twilio's own calculator does.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Twilio refuses longer messages on every channel (error 21617).
MAX_CHARACTERS = 1600

_GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_UNITS = dict.fromkeys(_GSM_BASIC, 1) | dict.fromkeys("\f^{}\\[~]|€", 2)
# What word processors put in, and what does the same for less.
_CHEAPER: dict[str, str] = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\u2022\u00b7", "-")
    | dict.fromkeys("\u200b\ufeff\u00ad", "")
    | {"\u2026": "...", "\t": " ", "×": "x", "\u0131": "i"}
    | {"œ": "oe", "Œ": "OE", "ð": "d", "þ": "th", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
)
_JOINER = "\u200d"
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)
_JAMO_LEADING = range(0x1100, 0x1160)
_JAMO_FOLLOWING = range(0x1160, 0x1200)
_SYLLABLES = range(0xAC00, 0xD7A4)


class Encoding(StrEnum):
    """The two alphabets of SMS."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_ALONE = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
_IN_PARTS = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    """A letter outside the GSM alphabet, which makes the whole text dearer.

    Args:
        letter: the letter.
        count: how often it stands in the text.
        spelling: what reads the same within the alphabet; None if nothing does.
    """

    letter: str
    count: int
    spelling: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """What a text costs as SMS.

    Args:
        encoding: the alphabet it needs.
        segments: how many messages are paid for; an empty text counts as one.
        units: its length in letters of that alphabet.
        remaining: how many more fit before another segment begins.
        characters: its length as the provider counts it for ``MAX_CHARACTERS``.
        offenders: the letters that force the dearer alphabet, in order of appearance.
    """

    encoding: Encoding
    segments: int
    units: int
    remaining: int
    characters: int
    offenders: tuple[Offender, ...]

    @property
    def is_too_long(self) -> bool:
        """Whether the provider would refuse the text."""
        return self.characters > MAX_CHARACTERS


def count_characters(text: str) -> int:
    """Return the length in UTF-16 units: an emoji outside the basic plane counts as two."""
    return len(text) + sum(character > "\uffff" for character in text)


def count(text: str) -> Segments:
    """Say what a text costs as SMS."""
    offenders = _offenders(text)
    encoding = Encoding.UCS_2 if offenders else Encoding.GSM_7
    sizes = (
        [count_characters(cluster) for cluster in graphemes(text)]
        if offenders
        else [_GSM_UNITS[letter] for letter in text]
    )
    segments, remaining = _pack(sizes, _ALONE[encoding], _IN_PARTS[encoding])
    return Segments(
        encoding=encoding,
        segments=segments,
        units=sum(sizes),
        remaining=remaining,
        characters=count_characters(text),
        offenders=offenders,
    )


def respell(text: str) -> str:
    """Return the text with every letter replaced for which there is a cheaper spelling.

    It is an offer to make, never applied by itself: it may lose an accent that matters.
    """
    cheaper = {one.letter: one.spelling for one in _offenders(text) if one.spelling is not None}
    return "".join(cheaper.get(letter, letter) for letter in text)


def _offenders(text: str) -> tuple[Offender, ...]:
    foreign = Counter(letter for letter in text if letter not in _GSM_UNITS)
    return tuple(
        Offender(letter=letter, count=times, spelling=_cheaper(letter))
        for letter, times in foreign.items()
    )


def _cheaper(letter: str) -> str | None:
    if letter in _CHEAPER:
        return _CHEAPER[letter]
    apart = unicodedata.normalize("NFKD", letter)
    plain = "".join(part for part in apart if not unicodedata.combining(part))
    return plain if all(part in _GSM_UNITS for part in plain) and plain != letter else None


def _pack(sizes: Sequence[int], alone: int, in_parts: int) -> tuple[int, int]:
    """Return how many segments pieces of these sizes fill, and the room left in the last."""
    total = sum(sizes)
    if total <= alone:
        return 1, alone - total
    segments, used = 1, 0
    for size in sizes:
        # A piece larger than a segment stands alone; it cannot be kept whole.
        if used and used + size > in_parts:
            segments, used = segments + 1, 0
        used += size
    return segments, max(0, in_parts - used)


def graphemes(text: str) -> Iterator[str]:
    """Cut a text into what readers see as single characters (Unicode Annex 29, in short).

    A carriage return and a line feed stay two, as in Twilio's calculator.
    """
    start, flags = 0, 0
    for index in range(1, len(text)):
        flags = flags + 1 if ord(text[index - 1]) in _REGIONAL else 0
        if not _belong(text[index - 1], text[index], flags):
            yield text[start:index]
            start = index
    if text:
        yield text[start:]


def _belong(before: str, after: str, flags: int) -> bool:
    """Tell whether two letters stand in one character.

    Args:
        before: the first.
        after: the second.
        flags: how many halves of flags end with the first.
    """
    if after <= "\u02ff" or before < " ":
        return False
    return any(rule(before, after, flags) for rule in _RULES)


def _extends(before: str, after: str, flags: int) -> bool:
    del before, flags
    code = ord(after)
    marks = {"Mn", "Me", "Mc"}
    return (
        after in "\u200c\u200d\u0e33\u0eb3"
        or code in _SKIN_TONES
        or code in _TAGS
        or unicodedata.category(after) in marks
    )


def _is_joined(before: str, after: str, flags: int) -> bool:
    del flags
    return before == _JOINER and unicodedata.category(after) == "So"


def _completes_flag(before: str, after: str, flags: int) -> bool:
    del before
    return ord(after) in _REGIONAL and flags % 2 == 1


def _is_hangul(before: str, after: str, flags: int) -> bool:
    del flags
    first, second = ord(before), ord(after)
    if first in _JAMO_LEADING:
        return second in _JAMO_LEADING or second in _JAMO_FOLLOWING or second in _SYLLABLES
    return second in _JAMO_FOLLOWING and (first in _JAMO_FOLLOWING or first in _SYLLABLES)


_RULES: tuple[Callable[[str, str, int], bool], ...] = (
    _extends,
    _is_joined,
    _completes_flag,
    _is_hangul,
)
