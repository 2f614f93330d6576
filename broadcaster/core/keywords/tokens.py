"""A text as clauses of words."""

from __future__ import annotations

import re
from collections.abc import Mapping

from broadcaster.core.keywords.normalise import fold, join_letters, umlauts_written_out

BREAK = re.compile(r"[.,;:!?¿¡()\n…]|\s[-–—]+\s")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")
# French puts short words before an apostrophe; elsewhere the apostrophe joins ("don't", "sms'je").
_ELISION = re.compile(r"(?:qu|jusqu|lorsqu|puisqu|[cdjlmnst])'(?=\w\w)")
_NONSTOP = re.compile(r"\bnon-stop")


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
    joined = join_letters(_NONSTOP.sub("nonstop", folded))
    return [found for part in BREAK.split(joined) if (found := words(part))]


def spellings(word: str, *, umlauts: bool = False) -> frozenset[str]:
    """Return the normal forms of one word or name: its parts separated by single spaces."""
    forms = {word, umlauts_written_out(word)} if umlauts else {word}
    return frozenset(" ".join(words(join_letters(fold(form)))) for form in forms)


def put_together(
    tokens: list[str], compounds: Mapping[str, tuple[tuple[str, ...], ...]]
) -> list[str]:
    """Return the words with those that belong together made one ("opt out", "thank you")."""
    if compounds.keys().isdisjoint(tokens):
        return tokens
    merged: list[str] = []
    at = 0
    while at < len(tokens):
        for parts in compounds.get(tokens[at], ()):
            if tuple(tokens[at : at + len(parts)]) == parts:
                merged.append(" ".join(parts))
                at += len(parts)
                break
        else:
            merged.append(tokens[at])
            at += 1
    return merged
