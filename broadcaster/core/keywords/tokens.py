"""A text as clauses of words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from broadcaster.core.keywords.normalise import fold, join_letters, umlauts_written_out

BREAK = re.compile(r"[.,;:!?¿¡()\n…]|\s[-–—]+\s")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")
# French puts short words before an apostrophe; elsewhere the apostrophe joins ("don't", "sms'je").
_ELISION = re.compile(r"(?:qu|jusqu|lorsqu|puisqu|[cdjlmnst])'(?=\w\w)")
# Words of their own, which only look like commands.
_HYPHENED = re.compile(r"\b(non|start|stop|pit|auto)-(?=(?:stops?|ups?|overs?|gap|loss|motion)\b)")


def words(folded: str) -> list[str]:
    """Return the words of a folded piece of text; "m'" stands for itself."""
    found = _WORD.findall(folded)
    return _without_apostrophes(found) if "'" in folded else found


def _without_apostrophes(found: list[str]) -> list[str]:
    plain: list[str] = []
    for word in found:
        elided = _ELISION.match(word) if "'" in word else None
        if elided:
            plain.append(elided.group())
            word = word[elided.end() :]  # noqa: PLW2901 - the rest of the same word
        elif word.endswith("'") and len(word) <= 3:  # noqa: PLR2004 - "m'", "qu'" on their own
            plain.append(word)
            continue
        plain.append(word.replace("'", ""))
    return plain


def clauses(folded: str) -> list[list[str]]:
    """Return the clauses of a folded text, each as its words; empty ones are left out."""
    if "-" in folded:
        folded = _HYPHENED.sub(r"\1", folded)
    joined = join_letters(folded)
    return [found for part in BREAK.split(joined) if (found := words(part))]


def spellings(word: str, *, umlauts: bool = False) -> frozenset[str]:
    """Return the normal forms of one word or name: its parts separated by single spaces."""
    forms = {word, umlauts_written_out(word)} if umlauts else {word}
    return frozenset(" ".join(words(join_letters(fold(form)))) for form in forms)


def put_together(
    tokens: list[str], compounds: Mapping[str, tuple[tuple[str, ...], ...]]
) -> list[str]:
    """Return the words with those that belong together made one ("opt out", "thank you")."""
    if len(tokens) == 1 or compounds.keys().isdisjoint(tokens):
        return tokens
    merged: list[str] = []
    following = iter((*tokens[1:], ""))
    skip = 0
    for at, token in enumerate(tokens):
        after = next(following)
        if skip:
            skip -= 1
            continue
        for parts in compounds.get(token, ()):
            if parts[1] == after and tuple(tokens[at : at + len(parts)]) == parts:
                merged.append(" ".join(parts))
                skip = len(parts) - 1
                break
        else:
            merged.append(token)
    return merged
