"""The vocabulary together with the names of one sender's lists, and reading a text with both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from broadcaster.core.keywords.misspelling import put_back, repaired, written_apart
from broadcaster.core.keywords.normalise import clean, fold, look_alikes, without_links
from broadcaster.core.keywords.quotation import own_words
from broadcaster.core.keywords.tokens import clauses, put_together, spellings
from broadcaster.core.keywords.vocabulary import EVERY, Vocabulary, compounds

_LETTER_DIGIT = re.compile(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])")
_GLUED_OFF = ("uit", "stop", "off", "aus", "baja", "afmelden", "stoppen", "arret", "abmelden")
_GLUED_ON = ("aan", "start", "alta")
# Ends ordinary words too ("person"): it counts only where everything is in capitals.
_GLUED_ON_ALOUD = "on"
_WORD = re.compile(r"[^\W_]+")
_RESERVED = ("stop", "off", "on", "start", "help", "all", "not", "polite", "yes", "no", "agree")
_GRAMMAR = ("filler", "again", "link", "service", "more", "keep", "except", "split", "join")
_ARTICLES = frozenset(
    ["de", "het", "een", "the", "der", "die", "das", "le", "la", "les", "el", "los", "las"]
)
_LONG_NAME = 5
_LONGEST_SIGNATURE = 6
_NAME = 3


@dataclass(slots=True, kw_only=True)
class Reading:
    """A text as it was read.

    Attributes:
        plain: the text without invisible characters, quotations and signatures.
        clauses: its clauses, each as words; words that belong together are one.
        tokens: the words of all clauses.
        question: whether a question mark is in it.
        capitals: names of lists, common words too, that stand out in capitals.
        aloud: names of lists written in capitals.
    """

    plain: str
    clauses: list[list[str]]
    tokens: list[str]
    question: bool
    capitals: frozenset[str]
    aloud: frozenset[str]


def name_forms(name: str) -> frozenset[str]:
    """Return the ways to write a list's name: with and without spaces, umlauts written out."""
    forms = set(spellings(clean(name), umlauts=True)) - {""}
    for form in tuple(forms):
        joined = form.replace(" ", "")
        forms |= {joined, _LETTER_DIGIT.sub(" ", form)}
        if len(joined) == 2 and joined.isalpha():  # noqa: PLR2004 - "r.t." is not joined elsewhere
            forms.add(" ".join(joined))
    return frozenset(forms)


def _near_names(form: str) -> set[str]:
    """Return what else may mean the name when something is switched off: one slip, no article."""
    near = set()
    first, _, rest = form.partition(" ")
    if rest and first in _ARTICLES:
        near |= {rest, rest.replace(" ", "")}
    if len(form) >= _LONG_NAME and form.isalpha():
        near |= {form[:at] + form[at + 1 :] for at in range(1, len(form))}
        near |= {
            form[:at] + form[at + 1] + form[at] + form[at + 2 :] for at in range(len(form) - 1)
        }
        near.add(form + "s")
    return near


class Lexicon:
    """Everything needed to read a text: words, and names of lists."""

    def __init__(self, vocabulary: Vocabulary, lists: Iterable[str]) -> None:
        self.vocabulary = vocabulary
        self.names = tuple(dict.fromkeys(lists))
        words = vocabulary.words
        reserved = frozenset().union(*(words[name] for name in _RESERVED))
        self.lists = {
            form: number
            for number, name in reversed(tuple(enumerate(self.names)))
            for form in name_forms(name)
            if form not in reserved
        }
        grammar = frozenset().union(*(words[name] for name in _GRAMMAR))
        self.grammatical = frozenset(self.lists) & grammar
        self.proper = frozenset(self.lists) - self.grammatical
        self.fixed = frozenset(
            word
            for word in words["service"]
            if not words["not"].keys().isdisjoint(word.split()) and " " in word
        )
        self.near = self._near()
        self.service = {**vocabulary.service, **dict.fromkeys(self.lists, EVERY)}
        self._gather(words)
        self._glued = self._glue()
        self._compounds = self._merge_compounds()

    def _gather(self, words: Mapping[str, Mapping[str, int]]) -> None:
        """Put word classes together as the rules ask for them."""
        self.mild_words = self._union("polite", "filler", "yes")
        self.agreeing = {**words["yes"], **words["agree"]}
        self.exact_words = self._union("on", "join", "polite", "again")
        self.start_words = self._union("polite", "filler", "again", "yes")
        self.command_words = self.exact_words | self._union(
            "stop", "off", "all", "filler", "link", "no", "or", "except", "yes"
        )
        self.skipped = self._union("polite", "filler")
        self.switches = self._union("on", "start")
        self.contrast = frozenset(word.split()[0] for word in words["split_before"]) & self._union(
            "filler"
        )
        self.dividing = self.contrast | self._union("split", "split_before")
        self.objects = self._union("message", "content")
        self.articles = _ARTICLES
        self.switching = self._union("on", "off", "stop", "keep")
        self._apart = written_apart(words["stop"])
        self.wishing = self._union("send", "on", "start", "content")
        self.reactions = words["reaction"]
        self.starting = {**words["start"], **words["on"]}
        for word, languages in self.service.items():
            if word not in words["stop"]:
                self.starting[word] = self.starting.get(word, 0) | languages
        self._signoffs = self._union("signoff")
        self._meaningful = self._union("stop", "off", "on", "start", "not", "more", "message")

    def _union(self, *classes: str) -> frozenset[str]:
        return frozenset().union(*(self.vocabulary.words[name] for name in classes))

    def _near(self) -> dict[str, str]:
        near: dict[str, str] = {}
        twice: set[str] = set()
        for form, number in self.lists.items():
            for other in _near_names(form) - self.lists.keys() - self.vocabulary.known:
                if other in near and self.lists[near[other]] != number:
                    twice.add(other)
                near[other] = form
        return {other: form for other, form in near.items() if other not in twice}

    def _glue(self) -> dict[str, tuple[str, ...]]:
        """Return words that are two run together: "nrcuit", "stopnrc", "stopaub"."""
        glued: dict[str, tuple[str, ...]] = {}
        for mild in self.mild_words:
            if " " not in mild and len(mild) > 1:
                glued |= {f"stop{mild}": ("stop", mild), f"{mild}stop": (mild, "stop")}
        for form in self.lists:
            joined = form.replace(" ", "")
            for word in (*_GLUED_OFF, *_GLUED_ON):
                glued |= {joined + word: (form, word), word + joined: (word, form)}
        return {
            whole: parts
            for whole, parts in glued.items()
            if whole not in self.vocabulary.known and whole not in self.lists
        }

    def _merge_compounds(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        own = compounds(self.lists)
        merged = dict(own)
        for first, many in self.vocabulary.compounds.items():
            kept = tuple(parts for parts in many if self.lists.keys().isdisjoint(parts))
            if kept:
                merged[first] = own.get(first, ()) + kept
        return merged

    def read(self, text: str) -> Reading:
        """Read a text: its own words, as clauses."""
        plain = own_words(clean(text))
        folded = without_links(fold(plain))
        loud = plain.isupper()
        found = [
            self._all_but(put_together(self._mend(clause, loud=loud), self._compounds))
            for clause in clauses(folded)
        ]
        tokens = [token for clause in found for token in clause]
        if not self._signoffs.isdisjoint(tokens):
            found = self._without_signoff(found)
            tokens = [token for clause in found for token in clause]
        return Reading(
            plain=plain,
            clauses=found,
            tokens=tokens,
            question="?" in folded,
            capitals=self._capitals(plain),
            aloud=self._aloud(plain, tokens),
        )

    def _without_signoff(self, found: list[list[str]]) -> list[list[str]]:
        """Leave out "kind regards" and the name after it, at the end of a text."""
        flat = [(at, token) for at, clause in enumerate(found) for token in clause]
        first = next(at for at, (_, token) in enumerate(flat) if token in self._signoffs)
        after = [token for _, token in flat[first + 1 :]]
        begins_clause = flat[first][0] != flat[first - 1][0]
        longest = _LONGEST_SIGNATURE if begins_clause else _NAME
        if not first or len(after) > longest or not self._meaningful.isdisjoint(after):
            return found
        kept: list[list[str]] = [[] for _ in found]
        for at, token in flat[:first]:
            kept[at].append(token)
        return [clause for clause in kept if clause]

    def _capitals(self, plain: str) -> frozenset[str]:
        """Return the common words that are lists and written in capitals among small letters."""
        if not self.grammatical or plain.isupper():
            return frozenset()
        loud = {fold(word) for word in _WORD.findall(plain) if len(word) > 1 and word.isupper()}
        return self.grammatical & loud

    def _aloud(self, plain: str, tokens: Iterable[str]) -> frozenset[str]:
        """Return the names of lists that are written in capitals."""
        named = self.lists.keys() & tokens
        if not named:
            return frozenset()
        loud = {fold(word) for word in _WORD.findall(plain) if word.isupper()}
        return frozenset(form for form in named if loud.issuperset(form.split()))

    def _all_but(self, clause: list[str]) -> list[str]:
        """Read "all but" as "all except"."""
        if "but" not in clause:
            return clause
        everything = self.vocabulary.words["all"]
        return [
            "except" if word == "but" and at and clause[at - 1].split()[-1] in everything else word
            for at, word in enumerate(clause)
        ]

    def _mend(self, clause: Sequence[str], *, loud: bool) -> list[str]:
        mended: list[str] = []
        known, lists = self.vocabulary.known, self.lists
        for word in clause:
            if word in known or word in lists:
                mended.append(word)
            else:
                mended.extend(self._repair(word, loud=loud))
        return put_back(mended, self._apart)

    def _repair(self, word: str, *, loud: bool) -> tuple[str, ...]:
        glued = self._glued.get(word)
        if glued:
            return glued
        name = word.removesuffix(_GLUED_ON_ALOUD)
        if loud and name != word and name in self.lists:
            return (name, _GLUED_ON_ALOUD)
        right = self.vocabulary.repairs.get(word) or repaired(word, self.vocabulary.known)
        if right:
            return tuple(right.split())
        if not word.isascii() or not word.isalpha():
            for plain in look_alikes(word):
                if plain in self.vocabulary.known or plain in self.lists:
                    return (plain,)
                if plain in self._glued:
                    return self._glued[plain]
        return (word,)


def languages_of(tokens: Iterable[str], table: Mapping[str, int]) -> int:
    """Return the languages in which the table has all these words, as bits."""
    languages = EVERY
    for token in tokens:
        languages &= table.get(token, 0)
        if not languages:
            break
    return languages
