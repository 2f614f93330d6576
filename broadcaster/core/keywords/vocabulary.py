"""The words of each language, read from ``config/keywords/*.toml`` and checked.

Each file has three tables. ``[words]`` fills the classes that the rules know (``WORD_CLASSES``),
``[classes]`` names further classes for phrases only, ``[phrases.<group>]`` holds phrases by rule
(see ``phrases``). A word class is one string of words separated by commas; a word may consist of
several. In ``misspelt``, "right: wrong wrong; right: wrong" lists slips of the fingers.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broadcaster.core.errors import InvalidInput
from broadcaster.core.keywords import misspelling
from broadcaster.core.keywords.phrases import (
    FaultyPhrase,
    Phrase,
    PhraseIndex,
    compile_phrase,
)
from broadcaster.core.keywords.tokens import spellings

RULES = "2026.13"
"""Changes with the code of the rules; the words add their own fingerprint."""

LANGUAGES = ("nl", "en", "de", "fr", "es")
EVERY = (1 << len(LANGUAGES)) - 1
"""Set of languages as bits: all of them."""

WORD_CLASSES = frozenset(
    [
        "stop",
        "leave",
        "off",
        "on",
        "start",
        "help",
        "agree",
        "yes",
        "no",
        "not",
        "more",
        "all",
        "message",
        "content",
        "send",
        "polite",
        "filler",
        "again",
        "link",
        "join",
        "service",
        "keep",
        "may",
        "or",
        "except",
        "split",
        "split_before",
        "signoff",
        "topic",
        "reaction",
    ]
)
PHRASE_GROUPS = frozenset(
    [
        "instruction",
        "automatic",
        "off_list",
        "erasure",
        "access",
        "keep",
        "trap",
        "despite",
        "third_party",
        "law",
        "opt_in",
        "opt_out",
        "opt_out_all",
        "start",
        "help",
        "terms",
        "unsure",
    ]
)
_TABLES = {"words", "classes", "phrases"}
_LISTS_OF_SLIPS = {"misspelt", "ordinary"}
# Words that may stand in a clause beside a stop word without changing what it asks.
_BARE = ("stop", "off", "all", "filler", "yes", "again")
_SERVICE = (*_BARE, "message", "content", "send", "link", "service", "more", "split")


class FaultyVocabulary(InvalidInput):
    """The word files cannot be used; the text names the file and the fault."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Vocabulary:
    """All words of all languages; a word maps to the languages it belongs to, as bits.

    Attributes:
        version: of the rules, with a fingerprint of the word files.
        words: the word classes.
        bare: words that may surround a stop word in a command.
        service: words that may surround a stop word in a sentence.
        phrases: of all groups, by their first words.
        compounds: words that consist of several, by their first part.
        known: every word that stands anywhere; what is known is no slip.
        ordinary: words of the classes, and of phrases that ask for help or a start.
        repairs: slips of the fingers and the words meant.
    """

    version: str
    words: Mapping[str, Mapping[str, int]]
    bare: Mapping[str, int]
    service: Mapping[str, int]
    phrases: PhraseIndex
    compounds: Mapping[str, tuple[tuple[str, ...], ...]]
    known: frozenset[str]
    ordinary: frozenset[str]
    repairs: Mapping[str, str]


def load_vocabulary(directory: Path) -> Vocabulary:
    """Read and check the word files of all languages.

    Raises:
        FaultyVocabulary: a file is missing or too many, or a table, class or phrase is faulty.
    """
    paths = sorted(directory.glob("*.toml"))
    found, wanted = {path.stem for path in paths}, set(LANGUAGES)
    if found != wanted:
        odd = ", ".join(sorted(found ^ wanted))
        message = f"{directory} must hold one file for each of {', '.join(LANGUAGES)}; see: {odd}."
        raise FaultyVocabulary(message)
    digest = hashlib.sha256()
    sources: dict[str, dict[str, Any]] = {}
    for path in paths:
        content = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + content + b"\0")
        sources[path.stem] = _parse(path, content)
    return _assemble(sources, f"{RULES}+{digest.hexdigest()[:8]}")


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        source = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not a TOML file: {error}"
        raise FaultyVocabulary(message) from error
    for place, given, allowed in (
        ("", set(source), _TABLES),
        ("words.", set(source.get("words", {})), WORD_CLASSES | _LISTS_OF_SLIPS),
        ("phrases.", set(source.get("phrases", {})), PHRASE_GROUPS),
    ):
        if given != allowed:
            odd = ", ".join(f"{place}{name}" for name in sorted(given ^ allowed))
            message = f"{path}: missing or unknown: {odd}."
            raise FaultyVocabulary(message)
    for name, words in (*source["words"].items(), *source["classes"].items()):
        if not isinstance(words, str):
            message = f"{path}: {name} must be one string of words separated by commas."
            raise FaultyVocabulary(message)
    return source


def _split(words: str, language: str) -> frozenset[str]:
    return frozenset().union(
        *(spellings(word, umlauts=language == "de") for word in words.split(",") if word.strip())
    )


def _assemble(sources: Mapping[str, Mapping[str, Any]], version: str) -> Vocabulary:
    words: dict[str, dict[str, int]] = {name: {} for name in WORD_CLASSES}
    phrases: dict[str, list[Phrase]] = {name: [] for name in PHRASE_GROUPS}
    repairs: dict[str, str] = {}
    for number, language in enumerate(LANGUAGES):
        source = sources[language]
        classes = {name: _split(text, language) for name, text in source["words"].items()}
        for name in WORD_CLASSES:
            for word in classes[name]:
                words[name][word] = words[name].get(word, 0) | 1 << number
        repairs |= misspelling.listed(source["words"]["misspelt"])
        repairs |= misspelling.one_slip(classes["leave"] | classes["stop"], classes["ordinary"])
        classes |= {name: _split(text, language) for name, text in source["classes"].items()}
        _add_phrases(phrases, source["phrases"], language, classes)
    known = frozenset(part for table in words.values() for word in table for part in word.split())
    asking = _words_of(phrases[group] for group in ("help", "start", "terms"))
    everything = known | _words_of(phrases.values())
    return Vocabulary(
        version=version,
        words=words,
        bare=_combine(words, _BARE),
        service=_combine(words, _SERVICE),
        phrases=PhraseIndex(phrases),
        compounds=compounds(word for table in words.values() for word in table),
        known=everything,
        ordinary=known | asking,
        repairs={wrong: right for wrong, right in repairs.items() if wrong not in everything},
    )


def _words_of(groups: Iterable[Iterable[Phrase]]) -> frozenset[str]:
    elements = [element for phrases in groups for phrase in phrases for element in phrase.elements]
    parts = (part for element in elements for word in element.several for part in word)
    return frozenset().union(parts, *(element.words for element in elements))


def _add_phrases(
    phrases: Mapping[str, list[Phrase]],
    source: Mapping[str, Mapping[str, Iterable[str]]],
    language: str,
    classes: Mapping[str, frozenset[str]],
) -> None:
    for group, rules in source.items():
        for rule, patterns in rules.items():
            for pattern in patterns:
                try:
                    phrase = compile_phrase(
                        pattern,
                        rule=rule,
                        lang=1 << LANGUAGES.index(language),
                        classes=classes,
                        spell=lambda word: spellings(word, umlauts=language == "de"),
                    )
                except FaultyPhrase as error:
                    message = f"{language}.toml, phrases.{group}.{rule}: {error}"
                    raise FaultyVocabulary(message) from error
                phrases[group].append(phrase)


def _combine(words: Mapping[str, Mapping[str, int]], names: Iterable[str]) -> dict[str, int]:
    """Return the languages in which a word is in one of the classes; politeness is international."""
    combined: dict[str, int] = {}
    for name in names:
        for word, languages in words[name].items():
            combined[word] = combined.get(word, 0) | languages
    for word, languages in words["no"].items():
        allowed = languages & ~words["not"].get(word, 0)
        if allowed:
            combined[word] = combined.get(word, 0) | allowed
    for word in words["polite"]:
        combined[word] = EVERY
    return combined


def compounds(words: Iterable[str]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return, by first word, the words that consist of several, the longest first."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for word in words:
        parts = tuple(word.split())
        if len(parts) > 1:
            found.setdefault(parts[0], set()).add(parts)
    return {first: tuple(sorted(many, key=len, reverse=True)) for first, many in found.items()}
