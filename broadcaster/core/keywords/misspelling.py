"""Slips of the fingers in the words that end messages.

Short words are never guessed ("top", "shop", "haus" are words of their own): their slips are
listed in the word files. Of long words every text one slip away is known beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from string import ascii_lowercase

from broadcaster.core.keywords.normalise import fold

LONG = 8
"""From this many letters on, one slip is forgiven."""

_SHORTEST = 3
_PREFIXES = frozenset(["af", "uit", "op", "ab", "aus", "auf", "un", "des"])
_STRETCHED = re.compile(r"(\w)\1{2,}")
_DOUBLED = re.compile(r"(\w)\1+")


def listed(text: str) -> dict[str, str]:
    """Return wrong → right from "right: wrong wrong; right: wrong"."""
    pairs = (entry.split(":") for entry in text.split(";") if entry.strip())
    return {wrong: fold(right.strip()) for right, slips in pairs for wrong in fold(slips).split()}


def one_slip(words: Iterable[str], ordinary: Iterable[str]) -> dict[str, str]:
    """Return every text one slip away from a long word, unless it is an ordinary word itself."""
    exceptions = frozenset(ordinary)
    return {
        slip: word
        for word in sorted(words)
        if len(word) >= LONG and word.isalpha()
        for slip in _slips(word)
        if slip not in exceptions
    }


def _slips(word: str) -> Iterator[str]:
    for at in range(len(word)):
        before, after = word[:at], word[at + 1 :]
        yield before + after
        yield before + after[:1] + word[at] + after[1:]
        if at:
            yield from (before + letter + after for letter in ascii_lowercase)
            yield from (before + letter + word[at] + after for letter in ascii_lowercase)


def written_apart(words: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return, for words with a prefix, their two parts: "af melden", "un subscribe"."""
    return {
        (prefix, word.removeprefix(prefix)): word
        for word in words
        for prefix in _PREFIXES
        if word.isalpha() and word.startswith(prefix) and len(word) - len(prefix) > _SHORTEST
    }


def put_back(tokens: list[str], apart: Mapping[tuple[str, str], str]) -> list[str]:
    """Return the words with those that were written apart made one again."""
    if _PREFIXES.isdisjoint(tokens):
        return tokens
    whole: list[str] = []
    for token in tokens:
        joined = apart.get((whole[-1], token)) if whole else None
        if joined:
            whole[-1] = joined
        else:
            whole.append(token)
    return whole


def unstretch(word: str) -> tuple[str, ...]:
    """Return what a word with stretched letters may have been: "stoooop" → "stop", "stoop"."""
    if _STRETCHED.search(word):
        return _STRETCHED.sub(r"\1", word), _STRETCHED.sub(r"\1\1", word)
    return ()


def is_stop(word: str) -> bool:
    """Say whether a word is STOP with doubled letters, or repeated without spaces."""
    plain = _DOUBLED.sub(r"\1", word)
    return plain == "stop" or not plain.replace("stop", "")


def repaired(word: str, known: frozenset[str] | Mapping[str, object]) -> str | None:
    """Return the known word behind stretched letters, or None."""
    if is_stop(word):
        return "stop"
    plain = (plain for plain in unstretch(word) if len(plain) >= _SHORTEST)
    return next((word for word in plain if word in known), None)
