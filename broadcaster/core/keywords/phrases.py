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
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

_ALTERNATIVE = re.compile(r"<([^<>]+)>|([^<>|]+)")
GAPS = {"~": 4, "~~": 8}
LIST = "<list>"
"""Stands in the index of phrases for the name of any list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One step of a phrase: a set of words, or a gap of so many words."""

    words: frozenset[str] = frozenset()
    several: tuple[tuple[str, ...], ...] = ()
    or_list: bool = False
    optional: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A pattern, the rule it belongs to and the language it is written in.

    Attributes:
        required: words one of which must be in the clause; empty if nothing is that simple.
    """

    rule: str
    lang: int
    elements: tuple[Element, ...]
    at_start: bool
    at_end: bool
    negations: frozenset[str]
    required: frozenset[str]


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
        negations=classes["not"],
        required=min(
            (
                element.words
                for element in elements[1:]
                if not (element.gap or element.optional or element.or_list or element.several)
            ),
            key=len,
            default=frozenset(),
        ),
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
    return Element(
        words=frozenset(word for word in words if " " not in word),
        several=tuple(tuple(word.split()) for word in sorted(words) if " " in word),
        or_list=or_list,
        optional=optional,
    )


def find(
    phrases: Mapping[str, Sequence[Phrase]],
    tokens: Sequence[str],
    lists: Container[str],
) -> list[tuple[Phrase, int, int]]:
    """Return each phrase found in the clause with the positions where it begins and ends."""
    found = []
    present = frozenset(tokens)
    for start, token in enumerate(tokens):
        candidates = phrases.get(token, ())
        if token in lists:
            candidates = (*candidates, *phrases.get(LIST, ()))
        for phrase in candidates:
            if phrase.at_start and start:
                continue
            if phrase.required and phrase.required.isdisjoint(present):
                continue
            end = _match(phrase, 0, tokens, start, lists)
            if end >= 0:
                found.append((phrase, start, end))
    return found


def _match(phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]) -> int:
    """Return where the rest of the phrase ends when it continues at ``at``, or -1."""
    if step == len(phrase.elements):
        return at if not phrase.at_end or at == len(tokens) else -1
    element = phrase.elements[step]
    if element.gap:
        return _match_gap(phrase, step, tokens, at, lists)
    if at < len(tokens):
        token = tokens[at]
        if token in element.words or (element.or_list and token in lists):
            end = _match(phrase, step + 1, tokens, at + 1, lists)
            if end >= 0:
                return end
        if element.several:
            end = _match_several(phrase, step, tokens, at, lists)
            if end >= 0:
                return end
    return _match(phrase, step + 1, tokens, at, lists) if element.optional else -1


def _match_several(
    phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]
) -> int:
    for parts in phrase.elements[step].several:
        if parts[0] == tokens[at] and tuple(tokens[at : at + len(parts)]) == parts:
            end = _match(phrase, step + 1, tokens, at + len(parts), lists)
            if end >= 0:
                return end
    return -1


def _match_gap(
    phrase: Phrase, step: int, tokens: Sequence[str], at: int, lists: Container[str]
) -> int:
    for skipped in range(phrase.elements[step].gap + 1):
        end = _match(phrase, step + 1, tokens, at + skipped, lists)
        if end >= 0:
            return end
        if at + skipped >= len(tokens) or tokens[at + skipped] in phrase.negations:
            break
    return -1
