"""The rules, in the order in which they are asked; the first that fires decides.

Asymmetry is the principle: an opt-out may be generous, because its confirmation repairs a wrong
one; an opt-in is exact, because an invented consent cannot be repaired.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from broadcaster.core.keywords import commands
from broadcaster.core.keywords.finding import Finding
from broadcaster.core.keywords.lexicon import Lexicon, Reading, languages_of
from broadcaster.core.keywords.normalise import fold
from broadcaster.core.keywords.result import Intent
from broadcaster.core.keywords.sentences import Clause, opt_out_sentence, split
from broadcaster.core.keywords.tokens import words as words_of

Rule = Callable[["Inquiry"], Finding | None]

_QUOTED = re.compile(r"^([^\"“”„«»]{0,60})[\"“”„«](.*)[\"“”»«]([^\"“”„«»]{0,40})$", re.DOTALL)
_SHOUTED = re.compile(r"\bSTOP\W{0,20}$")
_SHORT = 30
_STEMS = (
    "stop", "unsub", "afmeld", "afgemeld", "uitschrijv", "opzeg", "abmeld", "abgemeld", "abbestell",
    "kundig", "kuendig", "desabonn", "desinscri", "arret", "desuscri", "optout",
)  # fmt: skip
_NO_STEM = ("stoppag", "stopt", "stopcontact", "stopera", "stoplicht", "stopwatch", "stoprate")


class Inquiry:
    """One text on its way through the rules."""

    __slots__ = ("_clauses", "_whole", "lexicon", "text")

    def __init__(self, text: Reading, lexicon: Lexicon) -> None:
        self.text = text
        self.lexicon = lexicon
        self._clauses: list[Clause] | None = None
        self._whole: Clause | None = None

    @property
    def clauses(self) -> list[Clause]:
        """The clauses, made when first asked for."""
        if self._clauses is None:
            self._clauses = split(self.text, self.lexicon)
        return self._clauses

    @property
    def whole(self) -> list[Clause]:
        """A short text of several clauses as a single one; else nothing."""
        if len(self.text.clauses) == 1 or len(self.text.tokens) > _SHORT:
            return []
        if self._whole is None:
            self._whole = Clause(self.text.tokens, self.lexicon, self.text)
        return [self._whole]


def nothing(inquiry: Inquiry) -> Finding | None:
    """No words at all: a picture, emoji, a dot."""
    if inquiry.text.tokens or inquiry.text.question or "🛑" in inquiry.text.plain:
        return None
    return Finding(Intent.none, "no-words")


def reaction(inquiry: Inquiry) -> Finding | None:
    """A tapback or reaction relayed as text, quoting what it reacts to."""
    found = _QUOTED.match(inquiry.text.plain.strip())
    if not found:
        return None
    around = words_of(fold(f"{found[1]} {found[3]}"))
    if not around or not languages_of(around, inquiry.lexicon.reactions):
        return None
    return Finding(Intent.none, "reaction")


def automatic(inquiry: Inquiry) -> Finding | None:
    """An automatic answer: driving, on holiday."""
    if any(clause.has("automatic") for clause in inquiry.clauses):
        return None if _asks_stop(inquiry) else Finding(Intent.none, "automatic-answer")
    return None


def _asks_stop(inquiry: Inquiry) -> bool:
    return any(
        not clause.has("keep", "trap") and clause.closed_stop() for clause in inquiry.clauses
    )


def own_bulletin(inquiry: Inquiry) -> Finding | None:
    """Our own instruction sent back: only a line of its own, first or last, is the person's."""
    if not any(clause.has("instruction") for clause in inquiry.clauses):
        return None
    for clause in (inquiry.clauses[0], inquiry.clauses[-1]):
        if languages_of(clause.tokens, inquiry.lexicon.vocabulary.bare) and clause.closed_stop():
            if clause.has("instruction"):
                continue
            return Finding(Intent.opt_out_all, "stop-line")
    if len(inquiry.clauses) == 1:
        return Finding(Intent.none, "instruction-alone", unsure=True)
    return Finding(Intent.none, "own-bulletin")


def erasure(inquiry: Inquiry) -> Finding | None:
    """Wants everything removed; a wish to know, in the same text, is queued as well."""
    for clause in (*inquiry.clauses, *inquiry.whole):
        if clause.has("keep", "off_list", "third_party") and not clause.has("law"):
            continue
        for phrase, _, _ in clause.matches("erasure"):
            asks_access = any(any(other.matches("access")) for other in inquiry.clauses)
            return Finding(
                Intent.erasure_request,
                phrase.rule,
                also=(Intent.data_access_request,) if asks_access else (),
                languages=phrase.lang,
            )
    return None


def access(inquiry: Inquiry) -> Finding | None:
    """Wants to know what is stored; with a stop word in the text, the stop comes first."""
    stop = inquiry.lexicon.vocabulary.words["stop"]
    for clause in (*inquiry.clauses, *inquiry.whole):
        if clause.has("third_party"):
            continue
        for phrase, _, _ in clause.matches("access"):
            if any(token in stop for token in inquiry.text.tokens):
                return Finding(
                    Intent.opt_out_all,
                    "stop-and-access",
                    also=(Intent.data_access_request,),
                    languages=phrase.lang,
                )
            return Finding(Intent.data_access_request, phrase.rule, languages=phrase.lang)
    return None


def _command(rule: Callable[[Reading, Lexicon], Finding | None]) -> Rule:
    def asked(inquiry: Inquiry) -> Finding | None:
        return rule(inquiry.text, inquiry.lexicon)

    return asked


def join_sentence(inquiry: Inquiry) -> Finding | None:
    """The whole text is "sign me up for" a list, in one of the listed forms."""
    lexicon = inquiry.lexicon
    if inquiry.text.question or lexicon.lists.keys().isdisjoint(inquiry.text.tokens):
        return None
    polite = lexicon.vocabulary.words["polite"]
    whole = Clause([token for token in inquiry.text.tokens if token not in polite], lexicon)
    for phrase, _, _ in whole.matches("opt_in"):
        return Finding(Intent.opt_in_list, phrase.rule, tuple(whole.lists()), languages=phrase.lang)
    return None


def opt_out(inquiry: Inquiry) -> Finding | None:
    """A sentence that asks for an end."""
    return opt_out_sentence(inquiry.clauses)


def wrapped(inquiry: Inquiry) -> Finding | None:
    """A sentence written over several lines, or with commas where none belong."""
    return opt_out_sentence(inquiry.whole)


def shouted(inquiry: Inquiry) -> Finding | None:
    """An ordinary text whose last word is STOP in capitals."""
    plain = inquiry.text.plain
    if plain.isupper() or not _SHOUTED.search(plain):
        return None
    if not inquiry.clauses or inquiry.clauses[-1].has("keep", "trap"):
        return None
    return Finding(Intent.opt_out_all, "stop-shouted")


def refusal(inquiry: Inquiry) -> Finding | None:
    """A negation beside a word of agreement is no agreement."""
    words = inquiry.lexicon.vocabulary.words
    if words["agree"].keys().isdisjoint(inquiry.text.tokens):
        return None
    if words["not"].keys().isdisjoint(inquiry.text.tokens):
        return None
    return Finding(Intent.none, "refusal")


def _sentence(group: str, intent: Intent, question: Intent | None) -> Rule:
    def asked(inquiry: Inquiry) -> Finding | None:
        for clause in inquiry.clauses:
            for phrase, _, _ in clause.matches(group):
                if clause.is_known():
                    wanted = question if question and inquiry.text.question else intent
                    return Finding(wanted, phrase.rule, languages=phrase.lang)
        return None

    return asked


def start_sentence(inquiry: Inquiry) -> Finding | None:
    """A start word among words of the service, or a phrase; with a list it is a question."""
    lexicon = inquiry.lexicon
    words = lexicon.vocabulary.words
    for clause in inquiry.clauses:
        named = bool(clause.lists())
        table = lexicon.starting
        if clause.has("trap"):
            continue
        languages = languages_of(clause.tokens, table)
        started = languages and any(
            words["start"].get(token, 0) & languages or (named and token in words["on"])
            for token in clause.tokens
        )
        if not started and not _phrase_fits(clause, "start"):
            continue
        if named or inquiry.text.question:
            return Finding(Intent.help, "start-unclear", languages=languages)
        return Finding(Intent.start_again, "start-sentence", languages=languages)
    return None


def _phrase_fits(clause: Clause, group: str) -> bool:
    return clause.is_known() and any(clause.matches(group))


def list_wish(inquiry: Inquiry) -> Finding | None:
    """A list, a wish to receive, and nothing but words of the service: no consent yet."""
    wishing = inquiry.lexicon.wishing
    for clause in inquiry.clauses:
        if wishing.isdisjoint(clause.tokens) or not clause.lists():
            continue
        if languages_of(clause.tokens, inquiry.lexicon.service):
            return Finding(Intent.help, "list-wish")
    return None


def left_over(inquiry: Inquiry) -> Finding:
    """No rule fired; where an end may be meant, somebody should look."""
    known_trap = any(clause.has("keep", "trap") for clause in inquiry.clauses)
    stem = any(
        token.startswith(_STEMS) and not token.startswith(_NO_STEM) for token in inquiry.text.tokens
    )
    unsure = (stem and not known_trap) or any(clause.has("unsure") for clause in inquiry.clauses)
    return Finding(Intent.none, "unsure" if unsure else "no-rule", unsure=unsure)


AUTOMATIC_RULES = frozenset({"reaction", "automatic-answer", "own-bulletin"})
"""Rules that recognise what a machine sent: it is not answered, and nobody has to read it."""

RULES: tuple[Rule, ...] = (
    nothing,
    reaction,
    _command(commands.list_command),
    _command(commands.stop_command),
    _command(commands.start_command),
    _command(commands.help_command),
    _command(commands.agree_command),
    own_bulletin,
    automatic,
    erasure,
    access,
    join_sentence,
    opt_out,
    wrapped,
    _command(commands.stop_unknown),
    shouted,
    refusal,
    _sentence("terms", Intent.terms_agree, Intent.help),
    _sentence("help", Intent.help, None),
    start_sentence,
    list_wish,
)
