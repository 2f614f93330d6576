"""Print to a terminal: nothing that came from outside can move the cursor or hide a line."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

# Control, format (also those that turn the direction of writing), lone halves, unassigned.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Cn"}
# Line breaks, and the joiners that emoji and some scripts are written with.
_KEPT = {"\n", "\t", "\u200c", "\u200d"}

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines."
)


def printable(text: str) -> str:
    """Return a text with control and format characters written out: ESC as a backslash and x1b."""
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in _UNPRINTABLE
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def say(text: str = "") -> None:
    """Print a line to standard output."""
    click.echo(printable(text))


def complain(text: str) -> None:
    """Print a line to standard error."""
    click.echo(printable(text), err=True)


def say_json(value: object) -> None:
    """Print a value as JSON; letters beyond ASCII are escaped, so every terminal can show it."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def say_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns as wide as their widest cell; the last column may run on."""
    cells = [[printable(cell).replace("\n", "\\n") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())
