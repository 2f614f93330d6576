"""``broadcaster keywords``: try the rules that read inbound texts, without database or settings."""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import click

from broadcaster.core.errors import InvalidKeyword
from broadcaster.core.keywords import Interpreter, check_keyword, load_vocabulary
from broadcaster.resources import directory

_LARGEST_FIELD = 10_000_000
_ADDED = ("intent", "lists", "rule")


class _Refused(click.ClickException):
    """A fault in what was typed or given: exit code 2."""

    exit_code = 2


@click.group()
def keywords() -> None:
    """How inbound texts are understood."""


@keywords.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--list", "lists", multiple=True, metavar="NAME", help="A list's name; repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here, not to stdout.")
@click.option("--force", is_flag=True, help="Replace an output file that exists.")
def classify(file: Path, lists: tuple[str, ...], output: Path | None, *, force: bool) -> None:
    """Add intent, lists and rule to each row of FILE, a CSV file with a column "text"."""
    interpreter = _interpreter(lists)
    if output is not None and not force and not _may_replace(output):
        message = f"{output} exists already; give --force to replace it."
        raise _Refused(message)
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            if output is None:
                _to_stdout(source, interpreter)
            else:
                with _written_whole(output) as target:
                    _classify(source, target, interpreter, file)
    except UnicodeDecodeError as error:
        message = f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8 first."
        raise _Refused(message) from error
    except csv.Error as error:
        message = f"{file} is not a CSV file that can be read: {error}."
        raise _Refused(message) from error
    except OSError as error:
        message = f"{error.filename or file}: {error.strerror}."
        raise _Refused(message) from error


def _may_replace(output: Path) -> bool:
    """Tell whether a file is not there, empty, or of an earlier run; anything else is kept."""
    if not output.exists():
        return True
    if not output.is_file():
        return False
    with output.open("rb") as file:
        head = file.readline(_LARGEST_FIELD).rstrip(b"\r\n")
    return not head or head.endswith(f",{','.join(_ADDED)}".encode())


def _interpreter(lists: tuple[str, ...]) -> Interpreter:
    vocabulary = load_vocabulary(directory("config") / "keywords")
    for number, name in enumerate(lists):
        try:
            check_keyword(vocabulary, name, lists[:number])
        except InvalidKeyword as error:
            raise _Refused(str(error)) from error
    return Interpreter(vocabulary, lists)


def _to_stdout(source: IO[str], interpreter: Interpreter) -> None:
    """Write to stdout; whoever stops reading ("| head") has seen enough."""
    try:
        with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as target:
            _classify(source, target, interpreter, Path(source.name))
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _written_whole(output: Path) -> Iterator[IO[str]]:
    """Give a file that takes the output's place only once everything is in it."""
    descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    draft = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as target:  # noqa: PTH123
            yield target
        draft.chmod(0o644)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _classify(source: IO[str], target: IO[str], interpreter: Interpreter, file: Path) -> None:
    csv.field_size_limit(_LARGEST_FIELD)
    rows = csv.reader(source)
    header: list[Any] = next(rows, [])
    if "text" not in header:
        message = f'{file} has no column "text" in its first line.'
        if any(mark in cell for cell in header for mark in ";\t"):
            message += " Its cells seem to be separated by semicolons or tabs; save it with commas."
        raise _Refused(message)
    column = header.index("text")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*header, *_ADDED])
    for row in rows:
        if not row:
            continue
        cells = [*row, *[""] * (len(header) - len(row))]
        found = interpreter.interpret(cells[column])
        writer.writerow([*cells, found.intent.value, ",".join(found.lists), found.rule])
