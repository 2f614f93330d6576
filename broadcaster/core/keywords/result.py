"""What an inbound text was found to ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Intent(StrEnum):
    """What an inbound text asks."""

    opt_out_all = "opt_out_all"
    """No more messages of any list."""
    opt_out_list = "opt_out_list"
    """No more messages of the lists named."""
    opt_in_list = "opt_in_list"
    """Join the lists named: the only intent that adds a subscription."""
    start_again = "start_again"
    """Lift an earlier stop; joins no list."""
    help = "help"
    """Explain what this is and which words work."""
    terms_agree = "terms_agree"
    """Agrees with the terms; counts only while that question is open."""
    data_access_request = "data_access_request"
    """Wants to know what is stored, or where it came from."""
    erasure_request = "erasure_request"
    """Wants everything removed; implies a stop."""
    none = "none"
    """No command: changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """One text, understood.

    Attributes:
        intent: what the text asks.
        lists: keywords, as they were given, that the intent is about.
        also_in: lists that the same text asks to join, after the opt-out was done.
        also: further intents in the same text, to be queued for a person.
        rule: stable id of the rule that fired.
        version: version of the rule set, with the fingerprint of its words.
        lang: language of the words that fired, where only one language has them.
        unsure: an opt-out may be meant; ask once and show the text to a person.
    """

    intent: Intent
    lists: tuple[str, ...]
    also_in: tuple[str, ...]
    also: tuple[Intent, ...]
    rule: str
    version: str
    lang: str | None
    unsure: bool


COMMAND_RULES = frozenset(
    {
        "agree-word",
        "help-word",
        "list-all-but",
        "list-all-off",
        "list-off",
        "list-off-near",
        "list-on",
        "question-mark",
        "start-word",
        "stop-sign",
        "stop-unknown-list",
        "stop-word",
    }
)
"""Rules that fire on a command of the agreed words; all others read free text."""
