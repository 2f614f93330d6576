"""What an inbound text asks, found by rules and words, without a database or a network."""

from __future__ import annotations

from broadcaster.core.keywords.interpreter import Interpreter, interpreter_for
from broadcaster.core.keywords.names import check_keyword
from broadcaster.core.keywords.result import COMMAND_RULES, Intent, Interpretation
from broadcaster.core.keywords.rules import AUTOMATIC_RULES
from broadcaster.core.keywords.vocabulary import FaultyVocabulary, Vocabulary, load_vocabulary

__all__ = [
    "AUTOMATIC_RULES",
    "COMMAND_RULES",
    "FaultyVocabulary",
    "Intent",
    "Interpretation",
    "Interpreter",
    "Vocabulary",
    "check_keyword",
    "interpreter_for",
    "load_vocabulary",
]
