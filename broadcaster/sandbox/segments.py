"""How many segments an SMS takes: GSM 03.38 seven-bit characters, or else UCS-2."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_JOINER = "\N{ZERO WIDTH JOINER}"
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_FLAG_LETTERS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))


def count(body: str) -> int:
    """Return the number of segments a text is sent in; an empty text takes one."""
    if all(character in _BASIC or character in _EXTENDED for character in body):
        widths = [1 if character in _BASIC else 2 for character in body]
        return _pack(widths, single=160, part=153)
    widths = [len(cluster.encode("utf-16-be")) // 2 for cluster in _clusters(body)]
    return _pack(widths, single=70, part=67)


def _clusters(body: str) -> Iterator[str]:
    """Yield what a reader sees as one character; Twilio keeps each in one segment."""
    cluster = ""
    for character in body:
        if cluster and not _belongs(character, cluster):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _belongs(character: str, cluster: str) -> bool:
    """Say whether a character continues a cluster: marks, skin tones, joined emoji, flags."""
    if unicodedata.category(character) in {"Mn", "Me", "Mc"} or character == _JOINER:
        return True
    if character in _SKIN_TONES or cluster[-1] == _JOINER:
        return True
    return cluster in _FLAG_LETTERS and character in _FLAG_LETTERS


def _pack(widths: list[int], *, single: int, part: int) -> int:
    """Return how many parts are needed when no character may be split over two."""
    if sum(widths) <= single:
        return 1
    parts, room = 1, part
    for width in widths:
        if width > room:
            parts, room = parts + 1, part
        room -= width
    return parts
