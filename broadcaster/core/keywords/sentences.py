"""Sentences: what people say in their own words.

Two things are recognised in a clause: a phrase of the vocabulary, and a stop word all of whose
companions belong to the service ("can you please stop these messages"). A clause with any other
word in it ("stop the war") needs a phrase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from broadcaster.core.keywords.finding import Finding
from broadcaster.core.keywords.lexicon import Lexicon, Reading, languages_of
from broadcaster.core.keywords.phrases import Phrase, find
from broadcaster.core.keywords.result import Intent

_SHORT = 3
_AND = frozenset(["en", "and", "und", "et", "y", "e"])
_REACH = 5
"""Words before a phrase among which a negation is looked for."""


class Clause:
    """A clause, with its words for phrases: without politeness and fillers, compounds apart."""

    __slots__ = (
        "_candidates", "_found", "aloud", "capitals", "lexicon", "named", "tokens", "words",
    )  # fmt: skip

    def __init__(
        self, tokens: Sequence[str], lexicon: Lexicon, text: Reading | None = None
    ) -> None:
        self.capitals = text.capitals if text else frozenset()
        self.aloud = text.aloud if text else frozenset()
        self.tokens = tokens
        self.lexicon = lexicon
        skipped, lists = lexicon.skipped, lexicon.lists
        words: list[str] = []
        for token in tokens:
            if token in lists or " " not in token:
                if token not in skipped or token in lists:
                    words.append(token)
            elif token not in skipped:
                words.extend([token] if token in lexicon.fixed else token.split())
        self.words = words
        self.named = self._named()
        self._candidates: dict[str, list[tuple[Phrase, int]]] | None = None
        self._found: dict[str, list[tuple[Phrase, int, int]]] = {}

    def matches(self, *groups: str) -> Iterator[tuple[Phrase, int, int]]:
        """Yield the phrases of these groups that are found and not negated."""
        for group in groups:
            for phrase, start, end in self._find(group):
                if not self._negated(phrase, start, end):
                    yield phrase, start, end

    def has(self, *groups: str) -> bool:
        """Say whether any phrase of these groups is found."""
        return any(map(self._find, groups))

    def keeps(self) -> bool:
        """Say whether something is to stay as it is, and no word of that is a list in capitals."""
        return any(
            phrase.names_list or self.aloud.isdisjoint(self.words[start:end])
            for phrase, start, end in self._find("keep")
        )

    def _find(self, group: str) -> list[tuple[Phrase, int, int]]:
        """Return the phrases of a group, looked for once."""
        if self._candidates is None:
            index = self.lexicon.vocabulary.phrases
            self._candidates = index.candidates(self.words, self.named)
        if group not in self._candidates:
            return []
        if group not in self._found:
            self._found[group] = find(self._candidates[group], self.words, self.named)
        return self._found[group]

    def _negated(self, phrase: Phrase, start: int, end: int) -> bool:
        """A negation just before, or right after, turns the phrase round: "don't stop texting"."""
        if self.words[start] in phrase.negations:
            return False
        for at in range(start - 1, max(start - _REACH, 0) - 1, -1):
            word = self.words[at]
            if word in phrase.negations:
                return True
            if not self.lexicon.service.get(word, 0) & phrase.lang:
                break
        if end < len(self.words) and self.words[end] in phrase.negations:
            more = self.lexicon.vocabulary.words["more"]
            if any(word in more or word in phrase.negations for word in self.words[start:end]):
                return False  # "ne m'écrivez plus jamais"
            return not any(word in more for word in self.words[end + 1 :])
        return False

    def is_known(self) -> bool:
        """Say whether every word belongs to the vocabulary or is a list's name."""
        known, lists = self.lexicon.vocabulary.ordinary, self.lexicon.lists
        return all(word in known or word in lists for word in self.words)

    def is_about_a_topic(self) -> bool:
        """Say whether a list's name may be the thing itself: "no more sport on Sunday"."""
        if not self.named.isdisjoint(self.aloud):
            return False
        known, lists = self.lexicon.vocabulary.ordinary, self.lexicon.lists
        first = next((at for at, word in enumerate(self.words) if word in self.named), 0)
        return not all(word in known or word in lists for word in self.words[first:])

    def closed_stop(self) -> int:
        """Return the languages in which the clause is a stop word among words of the service."""
        languages = languages_of(self.tokens, self.lexicon.service)
        if not languages:
            return 0
        words = self.lexicon.vocabulary.words
        found = 0
        for token in self.tokens:
            if token not in self.lexicon.lists:
                found |= words["stop"].get(token, 0)
        if not found and self._has_object():
            for token in self.tokens:
                found |= words["off"].get(token, 0)
        return found & languages

    def _named(self) -> frozenset[str] | set[str]:
        """Return the names of lists in the clause; a name that is a common word needs more."""
        lexicon = self.lexicon
        if lexicon.grammatical.isdisjoint(self.words):
            return lexicon.proper
        return lexicon.proper | {
            word
            for at, word in enumerate(self.words)
            if word in self.capitals or (word in lexicon.grammatical and self._governed(at))
        }

    def _has_object(self) -> bool:
        """Say whether there is something to switch off: a list, everything, messages."""
        lexicon, everything = self.lexicon, self.lexicon.vocabulary.words["all"]
        short = len(self.tokens) <= _SHORT
        return any(
            token in lexicon.lists or token in everything or (short and token in lexicon.objects)
            for token in self.tokens
        )

    def lists(self, *, any_name: bool = False) -> list[int]:
        """Return the lists the clause is about, with or without names that are common words."""
        numbers = self.lexicon.lists
        named = numbers if any_name else self.named
        found = [(at, word) for at, word in enumerate(self.words) if word in named]
        return list(
            dict.fromkeys(
                numbers[word]
                for at, word in found
                if not (
                    word in self.lexicon.objects
                    and word not in self.capitals
                    and at
                    and self.words[at - 1] in self.lexicon.proper
                )
            )
        )

    def _governed(self, at: int) -> bool:
        """A common word is meant as a list after a preposition or "stop", or in "no … more"."""
        words, after = self.lexicon.vocabulary.words, self.words[at + 1 :]
        ends = all(word in words["more"] or word in words["not"] for word in after)
        if after and after[0] in words["may"] and not at:
            return True
        if after[:1] and after[0] in _AND and not self.lexicon.proper.isdisjoint(after[1:2]):
            return True
        if not at:
            return bool(after) and ends
        before = self.words[at - 1]
        return (
            before in words["link"]
            or (before in words["not"] and ends)
            or (at == 1 and before in words["stop"] and self.lexicon.objects.issuperset(after))
        )

    def exempt(self) -> list[int]:
        """Return the lists named after "except"."""
        exceptions = self.lexicon.vocabulary.words["except"]
        at = next((at for at, token in enumerate(self.tokens) if token in exceptions), None)
        if at is None:
            return []
        numbers = self.lexicon.lists
        return [numbers[token] for token in self.tokens[at + 1 :] if token in numbers]

    def everything(self) -> bool:
        """Say whether all lists are meant, and not "all messages of" one list."""
        words, lexicon = self.lexicon.vocabulary.words, self.lexicon
        for at, token in enumerate(self.tokens):
            if token in words["all"]:
                following = self.tokens[at + 1 : at + 4]
                if not (
                    following
                    and (
                        following[0] in words["message"]
                        or following[0] in words["content"]
                        or following[0] in lexicon.lists
                    )
                ):
                    return True
        return False


def split(text: Reading, lexicon: Lexicon) -> list[Clause]:
    """Return the clauses, divided further at words like "but" and "because"."""
    if lexicon.dividing.isdisjoint(text.tokens):
        return [Clause(tokens, lexicon, text) for tokens in text.clauses]
    return [
        Clause(part, lexicon, text)
        for tokens in text.clauses
        for part in _divided(tokens, lexicon)
        if part
    ]


def _divided(tokens: Sequence[str], lexicon: Lexicon) -> Iterator[list[str]]:
    words = lexicon.vocabulary.words
    current: list[str] = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        contrasts = token in lexicon.contrast and (
            following in lexicon.proper
            or following in words["keep"]
            or (
                following in lexicon.lists and lexicon.switching.issuperset(tokens[at + 2 : at + 3])
            )
        )
        if contrasts or token in words["split"] or token in words["split_before"]:
            yield current
            current = token.split()[1:]
        else:
            current.append(token)
    yield current


def opt_out_sentence(clauses: Iterable[Clause]) -> Finding | None:
    """A clause asks for an end of all messages, or of those of a list."""
    off: list[int] = []
    kept: set[int] = set()
    decisive: Finding | None = None
    names: tuple[str, ...] = ()
    for clause in clauses:
        names = clause.lexicon.names
        finding = _clause_opts_out(clause)
        if finding is None:
            if not clause.lexicon.vocabulary.words["keep"].keys().isdisjoint(clause.tokens):
                kept.update(clause.lists())
            continue
        if decisive is None or finding.intent is Intent.opt_out_all:
            decisive = finding
        off += finding.lists
    if decisive is None:
        return None
    if decisive.intent is Intent.opt_out_all:
        if not kept:
            return decisive
        off = list(range(len(names)))
    lists = tuple(number for number in dict.fromkeys(off) if number not in kept)
    return decisive._replace(intent=Intent.opt_out_list, lists=lists) if lists else None


def _clause_opts_out(clause: Clause) -> Finding | None:
    kept = clause.keeps()
    for phrase, _, _ in clause.matches("despite", *(() if kept else ("opt_out_all",))):
        return Finding(Intent.opt_out_all, phrase.rule, languages=phrase.lang)
    return None if kept else _clause_ends_some(clause)


def _clause_ends_some(clause: Clause) -> Finding | None:
    rule, languages = "", 0
    for phrase, _, _ in clause.matches("opt_out"):
        rule, languages = phrase.rule, phrase.lang
        break
    else:
        languages = clause.closed_stop()
        rule = "stop-clause"
    if not languages or (rule == "stop-clause" and clause.has("trap")):
        return None
    if clause.exempt():
        return _all_but(clause, rule, languages)
    stops = clause.lexicon.vocabulary.words["stop"]
    switched = rule == "stop-clause" and stops.keys().isdisjoint(clause.tokens)
    lists = clause.lists() or clause.lists(any_name=switched)
    if lists and clause.is_about_a_topic():
        return None
    if not lists or clause.everything():
        return Finding(Intent.opt_out_all, rule, languages=languages)
    return Finding(Intent.opt_out_list, rule, tuple(lists), languages=languages)


def _all_but(clause: Clause, rule: str, languages: int) -> Finding | None:
    """Off go the lists named before "except", or else all but those named after it."""
    kept = clause.exempt()
    named = [number for number in clause.lists() if number not in kept]
    others = range(len(clause.lexicon.names))
    off = tuple(named or [number for number in others if number not in kept])
    return Finding(Intent.opt_out_list, rule, off, languages=languages) if off else None
