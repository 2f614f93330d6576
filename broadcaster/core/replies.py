"""What we answer a person: texts per language, checked when they are loaded."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from broadcaster.core.errors import InvalidInput


class Reply(StrEnum):
    """The answers there are; each is one line of a file in config/replies."""

    JOINED = "joined"
    JOINED_ALREADY = "joined_already"
    LEFT = "left"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    HELP = "help"
    GUIDE = "guide"
    UNSURE = "unsure"
    CLOSED = "closed"
    ACCESS = "access"
    ERASURE = "erasure"


_PIECES = ("no_lists", "on")
_ALWAYS = frozenset({"organisation", "contact", "privacy_url", "commands"})
_OF_A_LIST = _ALWAYS | {"list", "lists", "keyword", "what", "frequency", "hours"}
# Law and carriers ask these of a text: who writes, how to leave (47 CFR 64.1200; CTIA 5.1.2;
# GDPR art. 7(3), 13).
_REQUIRED = {
    Reply.JOINED: {"organisation", "list", "frequency", "hours", "keyword", "privacy_url"},
    Reply.LEFT: {"lists"},
    Reply.STOPPED: {"organisation"},
    Reply.HELP: {"organisation", "contact", "commands"},
}


@dataclass(frozen=True, slots=True)
class Replies:
    """The answers in every language there is a file for.

    Args:
        texts: language → name of the answer → its text with placeholders.
    """

    texts: Mapping[str, Mapping[str, str]]

    def write(self, reply: Reply, language: str, values: Mapping[str, str]) -> str:
        """Return an answer with its placeholders filled in; values are taken literally."""
        return self.texts[self._known(language)][reply].format_map(values)

    def command(self, keyword: str, language: str) -> str:
        """Return the words that join a list: ``NRC AAN``."""
        return f"{keyword} {self.texts[self._known(language)]['on']}"

    def no_lists(self, language: str) -> str:
        """Return what stands in place of the commands when no list is open."""
        return self.texts[self._known(language)]["no_lists"]

    def _known(self, language: str) -> str:
        return language if language in self.texts else "en"


def load_replies(directory: Path) -> Replies:
    """Read and check all files of answers.

    Args:
        directory: holds ``<language>.toml`` files, English among them.

    Raises:
        InvalidInput: a file lacks an answer or has a placeholder that nothing fills.
    """
    texts = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(directory.glob("*.toml"))
    }
    faults = [fault for language, answers in texts.items() for fault in _faults(language, answers)]
    if "en" not in texts:
        faults.append(f"{directory} has no en.toml")
    if faults:
        message = "The answers cannot be used: " + "; ".join(faults)
        raise InvalidInput(message)
    return Replies(texts)


def _faults(language: str, answers: Mapping[str, str]) -> list[str]:
    names = {*Reply, *_PIECES}
    faults = [f"{language}.toml lacks {name!r}" for name in sorted(names - answers.keys())]
    faults += [
        f"{language}.toml has an unknown {name!r}" for name in sorted(answers.keys() - names)
    ]
    for name, text in answers.items():
        if not text.strip():
            faults.append(f"{language}.toml: {name!r} is empty")
        placeholders = {field for _, field, _, _ in string.Formatter().parse(text) if field}
        faults += [
            f"{language}.toml: {name!r} has the unknown placeholder {{{field}}}"
            for field in sorted(placeholders - _OF_A_LIST)
        ]
        faults += [
            f"{language}.toml: {name!r} must say {{{field}}}"
            for field in sorted(_required(name) - placeholders)
        ]
    return faults


def _required(name: str) -> set[str]:
    return _REQUIRED.get(Reply(name), set()) if name in set(Reply) else set()
