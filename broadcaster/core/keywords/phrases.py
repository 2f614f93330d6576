"""Phrases: short patterns over words and word classes, and how they are found in a clause.

A phrase is written as elements separated by spaces:

``word``, ``one|other``   one of these words (``opt_out`` is the two words "opt out")
``<class>``, ``<a|b>``    a word of these classes; ``<list>`` is the name of a broadcast list
``<a>|one``               a word of the class, or this word
``element?``              may be missing
``~``, ``~~``             up to 4, up to 8 other words, none of them a negation
``^``, ``$``              beginning and end of the clause

A phrase begins with words, not with a gap: it is looked up by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_ALTERNATIVE = re.compile(r"<([^<>]+)>|([^<>|]+)")
GAPS = {"~": 4, "~~": 8}
LIST = "<list>"
"""Stands in the index of phrases for the name of any list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One step of a phrase: a set of words, or a gap of so many words.

    Attributes:
        branches: more than one way may lead past it: it is optional, or several words long.
    """

    words: frozenset[str] = frozenset()
    several: tuple[tuple[str, ...], ...] = ()
    or_list: bool = False
    optional: bool = False
    branches: bool = False
    gap: int = 0

    def beginnings(self) -> frozenset[str]:
        """Return the words with which it may begin; ``LIST`` for the names of lists."""
        return self.words.union([words[0] for words in self.several], [LIST] * self.or_list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A pattern, the rule it belongs to and the language it is written in."""

    rule: str
    lang: int
    elements: tuple[Element, ...]
    at_start: bool
    at_end: bool
    names_list: bool
    negations: frozenset[str]


class FaultyPhrase(ValueError):  # noqa: N818 - reads as what it says
    """A phrase in the vocabulary cannot be understood."""


def compile_phrase(
    source: str,
    *,
    rule: str,
    lang: int,
    classes: Mapping[str, frozenset[str]],
    spell: Callable[[str], frozenset[str]],
) -> Phrase:
    """Return the phrase that ``source`` describes.

    Raises:
        FaultyPhrase: an unknown class, or a phrase without a fixed first word.
    """
    parts = source.split()
    at_start, at_end = parts[:1] == ["^"], parts[-1:] == ["$"]
    parts = parts[at_start : len(parts) - at_end]
    elements = tuple(_element(part, classes, spell, source) for part in parts)
    if not first_elements(elements):
        message = f"The phrase {source!r} does not begin with a fixed word."
        raise FaultyPhrase(message)
    return Phrase(
        rule=rule,
        lang=lang,
        elements=elements,
        at_start=at_start,
        at_end=at_end,
        names_list=any(element.or_list for element in elements),
        negations=classes["not"],
    )


def first_elements(elements: Sequence[Element]) -> Sequence[Element]:
    """Return the elements a match may begin with; none if it may begin with a gap."""
    for at, element in enumerate(elements):
        if element.gap:
            break
        if not element.optional:
            return elements[: at + 1]
    return ()


def _element(
    part: str,
    classes: Mapping[str, frozenset[str]],
    spell: Callable[[str], frozenset[str]],
    source: str,
) -> Element:
    if part in GAPS:
        return Element(gap=GAPS[part])
    optional = part.endswith("?")
    part = part.rstrip("?")
    words: set[str] = set()
    or_list = False
    for bracketed, plain in _ALTERNATIVE.findall(part):
        if plain:
            words |= spell(plain.replace("_", " "))
        for name in bracketed.split("|") if bracketed else ():
            or_list = or_list or name == "list"
            if name != "list" and name not in classes:
                message = f"The phrase {source!r} uses the class {name!r}, which does not exist."
                raise FaultyPhrase(message)
            words |= classes.get(name, frozenset())
    return _words(frozenset(words), or_list=or_list, optional=optional)


def _words(words: frozenset[str], *, optional: bool, or_list: bool = False) -> Element:
    several = tuple(tuple(word.split()) for word in sorted(words) if " " in word)
    return Element(
        words=frozenset(word for word in words if " " not in word),
        several=several,
        or_list=or_list,
        optional=optional,
        branches=optional or bool(several),
    )


_Table = dict[str, list[tuple[int, str, Phrase]]]
_NONE: list[tuple[int, str, Phrase]] = []


class PhraseIndex:
    """All phrases, ready to be looked for: by the words they begin with, and by what they need.

    Every set of words that some phrase needs has a bit. The bits of all words of a clause tell
    at once which phrases cannot be in it; only the few others are compared word by word.
    """

    __slots__ = ("_beginning", "_endings", "_every", "_sets", "_within")

    def __init__(self, groups: Mapping[str, Iterable[Phrase]]) -> None:
        numbers: dict[tuple[frozenset[str], bool], int] = {}
        self._beginning: _Table = {}
        self._within: _Table = {}
        for group, phrases in groups.items():
            for phrase in phrases:
                needs = 0
                for words, at_end in _needed(phrase):
                    needs |= 1 << numbers.setdefault((words, at_end), len(numbers))
                for word in _first_words(phrase):
                    self._beginning.setdefault(word, []).append((needs, group, phrase))
                    if not phrase.at_start:
                        self._within.setdefault(word, []).append((needs, group, phrase))
        self._every = (1 << len(numbers)) - 1
        self._sets: dict[str, int] = {}
        self._endings: dict[str, int] = {}
        for (words, at_end), number in numbers.items():
            table = self._endings if at_end else self._sets
            for word in words:
                table[word] = table.get(word, 0) | 1 << number

    def candidates(
        self, tokens: Sequence[str], lists: Container[str]
    ) -> dict[str, list[tuple[Phrase, int]]]:
        """Return by group the phrases that may be in the clause, and where they would begin."""
        absent = self._absent(tokens, lists)
        found: dict[str, list[tuple[Phrase, int]]] = {}
        table = self._beginning
        for start, token in enumerate(tokens):
            entries = table.get(token, _NONE)
            if token in lists:
                entries = entries + table.get(LIST, _NONE)
            for needs, group, phrase in entries:
                if not needs & absent:
                    found.setdefault(group, []).append((phrase, start))
            table = self._within
        return found

    def _absent(self, tokens: Sequence[str], lists: Container[str]) -> int:
        """Return the bits of the sets of which the clause has no word."""
        sets = self._sets
        present = 0
        for token in tokens:
            present |= sets.get(token, 0)
            if token in lists:
                present |= sets.get(LIST, 0)
        for last in tokens[-1:]:
            present |= self._endings.get(last, 0)
            if last in lists:
                present |= self._endings.get(LIST, 0)
        return self._every & ~present


def _needed(phrase: Phrase) -> Iterator[tuple[frozenset[str], bool]]:
    """Yield the sets of which a clause must have a word, and whether as its last word."""
    for element in phrase.elements:
        if not (element.gap or element.optional):
            yield element.beginnings(), False
    if phrase.at_end and not (element.gap or element.branches):
        yield element.beginnings(), True


def _first_words(phrase: Phrase) -> set[str]:
    return {word for first in first_elements(phrase.elements) for word in first.beginnings()}


def find(
    candidates: Iterable[tuple[Phrase, int]], tokens: Sequence[str], lists: Container[str]
) -> list[tuple[Phrase, int, int]]:
    """Return each candidate found in the clause with the positions where it begins and ends."""
    return [
        (phrase, start, end)
        for phrase, start in candidates
        if (end := _match(phrase, 0, tokens, start, lists)) >= 0
    ]


def _match(phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]) -> int:
    """Return where the rest of the phrase ends when it continues at ``at``, or -1."""
    elements, length = phrase.elements, len(tokens)
    for number in range(step, len(elements)):
        element = elements[number]
        if element.gap:
            return _match_gap(phrase, number, tokens, at, lists)
        if element.branches:
            return _match_branch(phrase, number, tokens, at, lists)
        if at == length or not (
            tokens[at] in element.words or (element.or_list and tokens[at] in lists)
        ):
            return -1
        at += 1
    return at if not phrase.at_end or at == length else -1


def _match_branch(
    phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]
) -> int:
    """Go on behind an element that may be missing, or may be several words."""
    element = phrase.elements[step]
    if at < len(tokens):
        token = tokens[at]
        if token in element.words or (element.or_list and token in lists):
            end = _match(phrase, step + 1, tokens, at + 1, lists)
            if end >= 0:
                return end
        for parts in element.several:
            if parts[0] == token and tuple(tokens[at : at + len(parts)]) == parts:
                end = _match(phrase, step + 1, tokens, at + len(parts), lists)
                if end >= 0:
                    return end
    return _match(phrase, step + 1, tokens, at, lists) if element.optional else -1


def _match_gap(
    phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]
) -> int:
    length, negations = len(tokens), phrase.negations
    for begin in range(at, min(at + phrase.elements[step].gap, length) + 1):
        end = _match(phrase, step + 1, tokens, begin, lists)
        if end >= 0:
            return end
        if begin == length or tokens[begin] in negations:
            break
    return -1
