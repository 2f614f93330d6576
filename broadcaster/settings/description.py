"""Say what is set and what can be set, from the same declarations that check it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from broadcaster.settings.loading import CATALOGUE
from broadcaster.settings.secret import Secret
from broadcaster.settings.sections import Settings
from broadcaster.settings.url import without_password

_WIDTH = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A setting as it is: secrets hidden.

    Args:
        key: its name, ``web.port``.
        value: what it is.
        origin: where that stands.
    """

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A setting as it can be.

    Args:
        key: its name in a file, ``web.port``.
        variable: the variable of the environment; with ``_FILE`` behind it, of a file to read.
        kind: what may be written.
        default: its value where nobody sets it, as TOML.
        about: what it does.
    """

    key: str
    variable: str
    kind: str
    default: str
    about: str


def describe(settings: Settings) -> list[Described]:
    """List every setting, its value with secrets hidden, and where the value comes from."""
    return [
        Described(
            key=key,
            value=_printable(settings.value_of(key)),
            origin=settings.origins.get(key, "default"),
        )
        for key in ("home", *CATALOGUE)
    ]


def reference() -> list[Documented]:
    """List every setting there is."""
    return [
        Documented(
            key=one.key,
            variable=one.variable,
            kind=one.form.kind,
            default=_toml(one.default),
            about=one.about,
        )
        for one in CATALOGUE.values()
    ]


def base_toml() -> str:
    """Write ``config/base.toml``: every key, explained, with its default."""
    lines = [
        "# Every setting of Broadcaster, with its default.",
        "# Stronger than this file, in this order: config.toml in the directory BROADCASTER_HOME,",
        "# the variable named beside each key, and the file named by that variable with _FILE",
        "# behind it. 'broadcaster config show' says what holds and why.",
    ]
    section = ""
    for one in reference():
        table, _, name = one.key.rpartition(".")
        if table != section:
            section = table
            lines += ["", f"[{table}]"]
        remark = f"{one.about} ({one.kind}; {one.variable})"
        lines += ["", *textwrap.wrap(remark, _WIDTH, initial_indent="# ", subsequent_indent="# ")]
        lines.append(f"{name} = {one.default}")
    return "\n".join(lines) + "\n"


def _printable(value: object) -> str:
    if isinstance(value, Secret):
        return "•••" if value else ""
    if isinstance(value, tuple):
        return "; ".join(value)
    return without_password(str(value))


def _toml(value: object) -> str:
    if isinstance(value, Secret):
        return '""'
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    # A JSON string is a TOML basic string; numbers are written alike.
    return json.dumps(value, ensure_ascii=False)
