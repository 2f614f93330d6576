"""Interpreting a text: read it, ask the rules in order, name the lists as they are called."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from broadcaster.core.keywords.lexicon import Lexicon
from broadcaster.core.keywords.result import Interpretation
from broadcaster.core.keywords.rules import RULES, Inquiry, left_over
from broadcaster.core.keywords.vocabulary import LANGUAGES, Vocabulary

_SHORT = 40
_REMEMBERED = 4_096
"""Short texts remembered with their meaning: most of what people send are the same few."""

_LANGUAGE = {1 << number: language for number, language in enumerate(LANGUAGES)}


class Interpreter:
    """Finds out what inbound texts ask, for a sender with these lists.

    Args:
        vocabulary: the words, see ``load_vocabulary``.
        lists: keywords of the sender's lists; results name them exactly like this.
    """

    def __init__(self, vocabulary: Vocabulary, lists: Iterable[str]) -> None:
        self._lexicon = Lexicon(vocabulary, lists)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._interpret)

    def interpret(self, text: str) -> Interpretation:
        """Return what the text asks. Never raises, whatever the text is."""
        return self._remembered(text) if len(text) <= _SHORT else self._interpret(text)

    def _interpret(self, text: str) -> Interpretation:
        lexicon = self._lexicon
        inquiry = Inquiry(lexicon.read(text), lexicon)
        for rule in RULES:
            finding = rule(inquiry)
            if finding:
                break
        else:
            finding = left_over(inquiry)
        names = lexicon.names
        return Interpretation(
            intent=finding.intent,
            lists=tuple([names[number] for number in finding.lists]),
            also_in=tuple([names[number] for number in finding.also_in]),
            also=finding.also,
            rule=finding.rule,
            version=lexicon.vocabulary.version,
            lang=_LANGUAGE.get(finding.languages),
            unsure=finding.unsure,
        )


@lru_cache(maxsize=64)
def interpreter_for(vocabulary: Vocabulary, lists: tuple[str, ...]) -> Interpreter:
    """Return an interpreter for these lists, made once and kept."""
    return Interpreter(vocabulary, lists)
