"""Commands: texts that are nothing but keywords, names of lists, and politeness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum

from broadcaster.core.keywords.finding import Finding
from broadcaster.core.keywords.lexicon import Lexicon, Reading, languages_of
from broadcaster.core.keywords.normalise import fold
from broadcaster.core.keywords.result import Intent
from broadcaster.core.keywords.vocabulary import EVERY

_MOST_WORDS = 40
_WORD = re.compile(r"[^\W_]+")
_MOST_UNKNOWN = 5
_COMMAND = 2
_PLAIN_OFF = frozenset(["uit", "off", "aus", "fin", "fuera"])


class Switch(Enum):
    """Which way a word turns a list."""

    on = "on"
    off = "off"


def list_command(text: Reading, lexicon: Lexicon) -> Finding | None:
    """Lists with words for on and off, and nothing else: the documented commands."""
    tokens = _without_adverbs(text.tokens, lexicon)
    if len(tokens) > _MOST_WORDS or lexicon.lists.keys().isdisjoint(tokens):
        return None
    words = lexicon.vocabulary.words
    if not all(token in lexicon.command_words or token in lexicon.lists for token in tokens):
        return None
    exceptions = next((at for at, token in enumerate(tokens) if token in words["except"]), None)
    if exceptions is not None:
        return _all_but(tokens, exceptions, lexicon)
    items = [item for token in tokens if (item := _item(token, lexicon)) is not None]
    off = any(item is Switch.off for item in items)
    if off and any(token in words["all"] for token in tokens):
        return Finding(Intent.opt_out_all, "list-all-off", languages=_language(tokens, lexicon))
    if _asks_which(tokens, lexicon):
        return Finding(Intent.help, "list-state")
    return _switch(items, tokens, text, lexicon)


def _asks_which(tokens: Sequence[str], lexicon: Lexicon) -> bool:
    """Say whether the text weighs two things with "or": "NRC on or off", not "opt out of NRC"."""
    words = lexicon.vocabulary.words
    return any(
        token in words["or"]
        and (
            " " in token
            or token not in words["link"]
            or tokens[at - 1 : at] == []
            or tokens[at - 1] in lexicon.lists
            or any(isinstance(_item(after, lexicon), Switch) for after in tokens[at + 1 : at + 2])
        )
        for at, token in enumerate(tokens)
    )


def _switch(
    items: Sequence[int | Switch], tokens: Sequence[str], text: Reading, lexicon: Lexicon
) -> Finding | None:
    off, on, unclear = assign(items)
    if off and text.question and _only_no(tokens, lexicon):
        return Finding(Intent.help, "list-state")
    if off:
        return Finding(
            Intent.opt_out_list,
            "list-off",
            tuple(off),
            also_in=tuple(on) if _is_exact_on(tokens, lexicon, off=True) else (),
            languages=_language(tokens, lexicon),
        )
    if on and not text.question and not unclear and _is_exact_on(tokens, lexicon):
        return Finding(
            Intent.opt_in_list, "list-on", tuple(on), languages=_language(tokens, lexicon)
        )
    return Finding(Intent.help, "list-unclear" if on else "list-alone")


def _only_no(tokens: Iterable[str], lexicon: Lexicon) -> bool:
    words = lexicon.vocabulary.words
    return not any(token in words["off"] or token in words["stop"] for token in tokens)


def assign(items: Sequence[int | Switch]) -> tuple[list[int], list[int], bool]:
    """Return which lists go off, which on, and whether a list was left without a word.

    A word before the first list governs the lists after it; else a word governs those before it.
    Where both are said of one list, off wins.
    """
    if not items or not any(isinstance(item, Switch) for item in items):
        return [], [], True
    decided: dict[int, set[Switch]] = {}
    groups = _groups(items, leading=isinstance(items[0], Switch))
    for switch, lists in groups:
        for number in lists:
            decided.setdefault(number, set())
            if switch is not None:
                decided[number].add(switch)
    undecided = [number for number, said in decided.items() if not said]
    off = [number for number, said in decided.items() if Switch.off in said]
    on = [number for number, said in decided.items() if said == {Switch.on}]
    if off and not on:
        off += undecided
    return off, on, bool(undecided)


def _groups(
    items: Sequence[int | Switch], *, leading: bool
) -> list[tuple[Switch | None, list[int]]]:
    groups: list[tuple[Switch | None, list[int]]] = []
    current: list[int] = []
    switch: Switch | None = None
    for item in items:
        if not isinstance(item, Switch):
            current.append(item)
        elif leading:
            if switch is not None:
                groups.append((switch, current))
            switch, current = item, []
        else:
            groups.append((item, current or (groups[-1][1][-1:] if groups else [])))
            current = []
    if leading and switch is not None and not current and groups:
        # "STOP NRC SPORT AAN": the last word governs the list just before it.
        before, lists = groups[-1]
        if len(lists) > 1:
            groups[-1] = (before, lists[:-1])
        groups.append((switch, lists[-1:]))
        return groups
    groups.append((switch if leading else None, current))
    return groups


def _item(token: str, lexicon: Lexicon) -> int | Switch | None:
    if token in lexicon.lists:
        return lexicon.lists[token]
    words = lexicon.vocabulary.words
    if token in words["off"] or token in words["stop"] or token in words["no"]:
        return Switch.off
    return Switch.on if token in words["on"] else None


def _is_exact_on(tokens: Iterable[str], lexicon: Lexicon, *, off: bool = False) -> bool:
    """Say whether there is nothing but lists, on-words and politeness (and what turns off)."""
    exact = lexicon.exact_words
    words = lexicon.vocabulary.words
    return all(
        token in exact
        or token in lexicon.lists
        or (off and (token in words["off"] or token in words["stop"] or token in words["filler"]))
        for token in tokens
    )


def _all_but(tokens: Sequence[str], at: int, lexicon: Lexicon) -> Finding | None:
    """Everything off except some lists: all the other lists go off."""
    words = lexicon.vocabulary.words
    before, after = tokens[:at], tokens[at + 1 :]
    kept = {lexicon.lists[token] for token in after if token in lexicon.lists}
    off = any(token in words["off"] or token in words["stop"] for token in tokens)
    if not kept or not off or not any(token in words["all"] for token in before):
        return None
    rest = tuple(number for number in range(len(lexicon.names)) if number not in kept)
    if not rest:
        return Finding(Intent.help, "list-unclear")
    return Finding(Intent.opt_out_list, "list-all-but", rest)


def _without_adverbs(tokens: list[str], lexicon: Lexicon) -> list[str]:
    """Leave out "weer" in "NRC weer aan" where a list is called WEER too."""
    if lexicon.grammatical.isdisjoint(tokens):
        return tokens
    proper = [token for token in tokens if token in lexicon.lists.keys() - lexicon.grammatical]
    if not proper:
        return tokens
    again = lexicon.vocabulary.words["again"]
    return [
        token
        for at, token in enumerate(tokens)
        if not (
            token in again
            and at
            and tokens[at - 1] in lexicon.lists
            and (at + 1 == len(tokens) or isinstance(_item(tokens[at + 1], lexicon), Switch))
        )
    ]


def _language(tokens: Iterable[str], lexicon: Lexicon) -> int:
    languages = EVERY
    words = lexicon.vocabulary.words
    for token in tokens:
        for name in ("stop", "off", "on"):
            if token in words[name] and token not in lexicon.lists:
                languages &= words[name][token]
                break
    return languages


def stop_command(text: Reading, lexicon: Lexicon) -> Finding | None:
    """The whole text is a stop word, with fillers and politeness."""
    if not text.tokens:
        return Finding(Intent.opt_out_all, "stop-sign") if "🛑" in text.plain else None
    table = lexicon.vocabulary.bare
    tokens = [token for token in text.tokens if token in table or token not in lexicon.switches]
    words = lexicon.vocabulary.words
    languages = languages_of(tokens, table)
    if not languages and not _plainly_stops(tokens, lexicon):
        return None
    found = 0
    for token in tokens:
        for name in ("stop", "off"):
            found |= words[name].get(token, 0)
    if not found:
        return None
    return Finding(Intent.opt_out_all, "stop-word", languages=found & languages or found)


def _plainly_stops(tokens: Sequence[str], lexicon: Lexicon) -> bool:
    """Say whether a stop word of one language stands among fillers of another."""
    table, words = lexicon.vocabulary.bare, lexicon.vocabulary.words
    return all(token in table for token in tokens) and any(
        word in words["leave"] or word == "stop" for word in (tokens[0], tokens[-1])
    )


def stop_unknown(text: Reading, lexicon: Lexicon) -> Finding | None:
    """A stop word and a list that does not exist here: stop everything rather than nothing."""
    tokens = [token for token in text.tokens if token not in lexicon.mild_words]
    tokens = [token for token in tokens if token not in lexicon.articles]
    if len(tokens) != _COMMAND or len(text.tokens) > _MOST_UNKNOWN or text.question:
        return None
    off = next((token for token in tokens if _switches_off(token, lexicon)), None)
    name = tokens[1] if off == tokens[0] else tokens[0]
    if off is None or name in lexicon.lists:
        return None
    near = lexicon.near.get(name)
    if near:
        return Finding(Intent.opt_out_list, "list-off-near", (lexicon.lists[near],))
    if _may_be_a_list(name, text, lexicon, off=off):
        return Finding(Intent.opt_out_all, "stop-unknown-list", languages=_language([off], lexicon))
    return None


def _switches_off(token: str, lexicon: Lexicon) -> bool:
    words = lexicon.vocabulary.words
    return token in words["stop"] or token in _PLAIN_OFF


def _may_be_a_list(name: str, text: Reading, lexicon: Lexicon, *, off: str) -> bool:
    """Tell the name of a list from a slogan ("Stop Wilders") and from ordinary words."""
    words = lexicon.vocabulary.words
    written = _WORD.findall(text.plain)
    loud = {fold(word) for word in written if len(word) > 1 and word.isupper()}
    aloud, whole = name in loud, off in loud
    if name in words["topic"]:
        return aloud and not whole
    if aloud:
        return name not in lexicon.service and name not in words["not"]
    if (
        name in lexicon.vocabulary.known
        or (name.isalpha() and name.capitalize() in written[1:])
        or len(text.tokens) > _COMMAND
    ):
        return False
    return off == "stop" or text.tokens[0] == name or off in words["leave"]


def start_command(text: Reading, lexicon: Lexicon) -> Finding | None:
    """The whole text is a word for starting again: lifts a stop, joins nothing."""
    words = lexicon.vocabulary.words
    started = [token for token in text.tokens if token in words["start"]]
    if not started or not all(
        token in words["start"] or token in lexicon.start_words for token in text.tokens
    ):
        return None
    if text.question:
        return Finding(Intent.help, "start-question")
    return Finding(
        Intent.start_again, "start-word", languages=languages_of(started, words["start"])
    )


def help_command(text: Reading, lexicon: Lexicon) -> Finding | None:
    """A help word, or nothing but a question mark, an on-word or a list's name."""
    words = lexicon.vocabulary.words
    if not text.tokens:
        return Finding(Intent.help, "question-mark") if text.question else None
    helped = [token for token in text.tokens if token in words["help"] or token in words["on"]]
    if helped and all(
        token in words["help"]
        or token in words["on"]
        or token in words["all"]
        or token in lexicon.mild_words
        or token in lexicon.lists
        for token in text.tokens
    ):
        return Finding(Intent.help, "help-word")
    return None


def agree_command(text: Reading, lexicon: Lexicon) -> Finding | None:
    """Agreement with the terms, and nothing else: it counts only while that question is open."""
    words = lexicon.vocabulary.words
    agreed = [token for token in text.tokens if token in words["agree"] or token in words["yes"]]
    if not agreed or not all(
        token in words["agree"] or token in words["yes"] or token in words["polite"]
        for token in text.tokens
    ):
        return None
    if text.question:
        return Finding(Intent.help, "agree-question")
    return Finding(
        Intent.terms_agree, "agree-word", languages=languages_of(agreed, lexicon.agreeing)
    )
