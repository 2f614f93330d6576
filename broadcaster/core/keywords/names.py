"""Which names a list may bear: none that a command could mistake for something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from broadcaster.core.errors import InvalidKeyword
from broadcaster.core.keywords.lexicon import name_forms
from broadcaster.core.keywords.normalise import clean, look_alikes
from broadcaster.core.keywords.tokens import spellings
from broadcaster.core.keywords.vocabulary import Vocabulary

LONGEST = 30
_SHORT = 4
"""Names shorter than this are confusable only when they look the same."""

_RESERVED = (
    "stop", "leave", "off", "on", "start", "help", "agree", "yes", "no", "not", "all", "more",
    "polite", "message", "or", "except",
)  # fmt: skip
_SWITCHES = ("stop", "off", "on", "start", "no")
# Written for each other without a thought: a zero for an o, a one for an l or i.
_SAME_SHAPE = str.maketrans("0158", "oisb")


def check_keyword(vocabulary: Vocabulary, keyword: str, existing: Iterable[str]) -> None:
    """Check that a list may be called like this beside the existing lists.

    Args:
        vocabulary: the words whose meaning is taken.
        keyword: the name wanted.
        existing: names of the sender's other lists.

    Raises:
        InvalidKeyword: the text says what is wrong and what to do.
    """
    name = keyword.strip()
    _check_shape(name)
    forms = name_forms(name)
    reserved = {word: word for group in _RESERVED for word in vocabulary.words[group]}
    reserved |= {word.replace(" ", ""): word for word in reserved}
    taken = next((reserved[form] for form in sorted(_readings(forms)) if form in reserved), None)
    if taken:
        message = f"A list cannot be called {name!r}: {taken!r} is a command. Choose another name."
        raise InvalidKeyword(message)
    _check_commands(vocabulary, name)
    for other in existing:
        if _confusable(vocabulary, name, other):
            message = (
                f"{name!r} is too much like the list {other!r}; people would reach the wrong one."
                " Choose a name that differs in more than a letter."
            )
            raise InvalidKeyword(message)


def _check_shape(name: str) -> None:
    if not name:
        message = "A list needs a name. Choose a word that people can text."
        raise InvalidKeyword(message)
    if len(name) > LONGEST:
        message = f"The name is longer than {LONGEST} characters. Choose a shorter one."
        raise InvalidKeyword(message)
    if not any(character.isalpha() for character in name) or not any(spellings(name)):
        message = "The name has no letters. Choose a word that people can text."
        raise InvalidKeyword(message)
    if not name.isprintable():
        message = "The name contains characters that cannot be seen. Type it again."
        raise InvalidKeyword(message)


def _check_commands(vocabulary: Vocabulary, name: str) -> None:
    """Refuse a name of which every part is a command: "STOP ALLES", "WEER AAN"."""
    commands = {word for group in (*_RESERVED, "again") for word in vocabulary.words[group]}
    switches = {word for group in _SWITCHES for word in vocabulary.words[group]}
    for form in spellings(clean(name), umlauts=True):
        parts = form.split()
        if len(parts) > 1 and (
            all(part in commands for part in parts) or parts[0] in switches or parts[-1] in switches
        ):
            message = f"{name!r} reads like a command. Choose a name without words for on or off."
            raise InvalidKeyword(message)


def _readings(forms: Iterable[str]) -> set[str]:
    return {reading for form in forms for reading in (form, *look_alikes(form))}


def _shapes(name: str) -> set[str]:
    return {
        reading.replace(" ", "").translate(_SAME_SHAPE).replace("l", "i")
        for reading in _readings(name_forms(name))
    }


def _confusable(vocabulary: Vocabulary, name: str, other: str) -> bool:
    ours = {form.replace(" ", "") for form in _readings(name_forms(name))}
    theirs = {form.replace(" ", "") for form in _readings(name_forms(other))}
    if ours & theirs or _shapes(name) & _shapes(other):
        return True
    if ours & set(_switched(vocabulary, theirs)) or theirs & set(_switched(vocabulary, ours)):
        return True
    return any(
        _one_slip_apart(mine, yours)
        for mine in ours
        for yours in theirs
        if min(len(mine), len(yours)) >= _SHORT
    )


def _switched(vocabulary: Vocabulary, forms: Iterable[str]) -> Iterator[str]:
    """Yield a name run together with a word for on or off: "NRCUIT"."""
    for form in forms:
        for group in _SWITCHES:
            for word in vocabulary.words[group]:
                yield form + word.replace(" ", "")
                yield word.replace(" ", "") + form


def _one_slip_apart(one: str, two: str) -> bool:
    """Say whether one letter more, less, other, or two swapped make one name the other."""
    if abs(len(one) - len(two)) > 1:
        return False
    at = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), None)
    if at is None:
        return True
    swapped = one[:at] + one[at + 1 : at + 2] + one[at] + one[at + 2 :]
    return two == swapped or any(
        rest_one == rest_two
        for rest_one, rest_two in (
            (one[at + 1 :], two[at + 1 :]),
            (one[at:], two[at + 1 :]),
            (one[at + 1 :], two[at:]),
        )
    )
