"""Commands: texts that are nothing but keywords, names of lists, and politeness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from broadcaster.core.keywords.finding import Finding
from broadcaster.core.keywords.lexicon import Lexicon, Reading, languages_of
from broadcaster.core.keywords.result import Intent
from broadcaster.core.keywords.vocabulary import EVERY

_MOST_WORDS = 40
_MOST_UNKNOWN = 3


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
    if any(token in words["or"] for token in tokens):
        return Finding(Intent.help, "list-state")
    return _switch(items, tokens, text, lexicon)


def _switch(
    items: Sequence[int | Switch], tokens: Sequence[str], text: Reading, lexicon: Lexicon
) -> Finding | None:
    off, on, unclear = assign(items)
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
    languages = languages_of(tokens, table)
    if not languages:
        return None
    found = 0
    for token in tokens:
        for name in ("stop", "off"):
            found |= lexicon.vocabulary.words[name].get(token, 0)
    if not found:
        return None
    return Finding(Intent.opt_out_all, "stop-word", languages=found & languages or found)


def stop_unknown(text: Reading, lexicon: Lexicon) -> Finding | None:
    """A stop word and a list that does not exist here: stop everything rather than nothing."""
    words, known = lexicon.vocabulary.words, lexicon.vocabulary.known
    tokens = [token for token in text.tokens if token not in words["polite"]]
    if not tokens or len(tokens) > _MOST_UNKNOWN or text.question:
        return None
    unknown = [token for token in tokens if token not in known and token not in lexicon.lists]
    rest = [token for token in tokens if token in known]
    if len(unknown) != 1 or len(rest) != 1 or unknown[0] in words["topic"]:
        return None
    near = lexicon.near.get(unknown[0])
    is_off = rest[0] in words["stop"] or rest[0] in ("uit", "off", "aus")
    if not is_off:
        return None
    if near:
        return Finding(Intent.opt_out_list, "list-off-near", (lexicon.lists[near],))
    if rest[0] == "stop" or tokens.index(unknown[0]) == 0 or rest[0] in words["leave"]:
        return Finding(Intent.opt_out_all, "stop-unknown-list", languages=_language(rest, lexicon))
    return None


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
