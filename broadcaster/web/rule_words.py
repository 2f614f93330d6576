"""What the rules that decide on consent are called, in the reader's language."""

from __future__ import annotations

import re

from broadcaster.web.wording import gettext as _

# A rule is written down with its version: list-on@2026.13+938d068f.
_VERSIONED = re.compile(r"([^@/]+)(?:[@/].*)?")
_REFUSAL = re.compile(r"provider-error-([0-9]+)")


def rule(written: str) -> str:
    """Say which rule decided.

    Args:
        written: as it stands in an entry, version included.
    """
    found = _VERSIONED.fullmatch(written)
    name = found[1] if found else written
    if refused := _REFUSAL.fullmatch(name):
        return _("Twilio refused a message with error %(code)s", code=refused[1])
    words = {**_commands(), **_sentences(), **_procedures()}
    return words.get(name) or _("another rule")


def _commands() -> dict[str, str]:
    """Texts that are nothing but agreed words."""
    return {
        "list-on": _("the keyword of a list and an on-word, nothing else"),
        "list-off": _("the keyword of a list and an off-word"),
        "list-off-near": _("an off-word and the keyword of a list, misspelt"),
        "list-all-off": _("an off-word for all lists"),
        "list-all-but": _("everything off but the lists that were named"),
        "stop-word": _("a stop-word"),
        "stop-sign": _("a stop sign"),
        "stop-unknown-list": _("a stop-word with a list that does not exist: all lists stop"),
        "start-word": _("a start-word"),
    }


def _sentences() -> dict[str, str]:
    """Texts in people's own words, by what they say."""
    return {
        "join-list": _("a set sentence that asks to join a list"),
        "stop-line": _("a stop on a line of its own, with a bulletin that was sent back"),
        "stop-shouted": _("a text that ends in STOP"),
        "stop-clause": _("a sentence with a stop-word"),
        "stop-and-access": _("a stop-word in a question about their data"),
        "stop-sending": _("a sentence that asks to stop sending"),
        "repeated": _("a stop-word, twice"),
        "conditional": _("a sentence that asks why it does not stop, or says what follows if not"),
        "no-more": _("a sentence that says: no more"),
        "unsubscribe": _("a sentence that asks to be taken off"),
        "turn-off": _("a sentence that asks to turn it off"),
        "done": _("a sentence that says: I have had enough"),
        "consent": _("a sentence that takes consent back"),
        "objection": _("a sentence that objects"),
        "said-stop": _("a sentence that says they had stopped before"),
        "not-interested": _("a sentence that says: not interested"),
        "leave-alone": _("a sentence that asks to be left alone"),
        "wrong-number": _("a sentence that says this is the wrong person"),
        "spam": _("a sentence that calls it spam"),
        "block": _("a sentence that speaks of blocking or of a complaint"),
        "erase-data": _("a sentence that asks to erase their data"),
        "erase-person": _("a sentence that asks to be forgotten"),
        "again": _("a sentence that asks to start again"),
        "start-sentence": _("a sentence with a start-word"),
    }


def _procedures() -> dict[str, str]:
    """What is decided by no text of the person's."""
    return {
        "provider-stop": _("Twilio took the text for a stop"),
        "import-with-proof": _("an import with proof of what each person agreed to"),
        "erasure": _("the procedure by which somebody is erased"),
    }
