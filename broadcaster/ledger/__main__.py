"""`python -m broadcaster.ledger verify FILE`: check an export without us, offline."""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from broadcaster.ledger import kinds
from broadcaster.ledger.errors import MalformedKey
from broadcaster.ledger.keys import NoteKey, parse_vkey
from broadcaster.ledger.kinds import Kind
from broadcaster.ledger.note import MAX_NOTE_BYTES
from broadcaster.ledger.pack import MAX_PACK_BYTES, verify_pack
from broadcaster.ledger.receipt import verify_receipt
from broadcaster.ledger.report import Report
from broadcaster.ledger.verify import verify_bundle

VERIFIED = 0
NOT_VERIFIED = 1
WRONG_USE = 2
_MAX_KEY_BYTES = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words after the program's name; those of the process if None.

    Returns:
        0 if everything was verified, 1 if a step failed, 2 if the command could not be carried
        out, as with a file that is nothing that can be checked.
    """
    options = _parser().parse_args(arguments)
    try:
        with _without_collecting():
            report = _verify(options)
    except (OSError, MalformedKey, _WrongUseError) as error:
        sys.stderr.write(f"verify: {_explain(error)}\n")
        return WRONG_USE
    # A terminal that knows only ASCII must not turn a verdict into an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(
        json.dumps(report.to_json(), indent=2) + "\n" if options.json else report.to_text()
    )
    return VERIFIED if report.ok else NOT_VERIFIED


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Leave out the search for cycles: a verification makes none, and a fifth of its time is saved."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _WrongUseError(Exception):
    """What was asked for cannot be done with this file."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m broadcaster.ledger",
        description="Check a consent ledger without trusting us.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="check an exported bundle, a receipt, or an evidence pack",
        description=(
            "Check an exported bundle, a receipt (.tlog-proof) or an evidence pack, step by step. "
            "Exits 0 if all of it holds, 1 if not, 2 if the file is nothing that can be checked."
        ),
    )
    verify.add_argument("file", metavar="FILE", type=Path, help="the bundle, receipt or pack")
    verify.add_argument(
        "--vkey", metavar="KEY", help="the log's public key, or a file that holds it"
    )
    verify.add_argument(
        "--since", metavar="CHECKPOINT", type=Path, help="an older checkpoint that must still hold"
    )
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _verify(options: argparse.Namespace) -> Report:
    vkey = None if options.vkey is None else _read_key(options.vkey)
    since = None if options.since is None else _read_note(options.since)
    with options.file.open("rb") as opened, _at_hand(opened) as file:
        kind = kinds.recognise(file)
        if kind is Kind.RECEIPT:
            return _verify_receipt(file.read(MAX_NOTE_BYTES + 1), vkey, since)
        if kind is Kind.PACK:
            return _verify_pack(file.read(MAX_PACK_BYTES + 1), vkey, since)
        if kind is Kind.BUNDLE:
            return verify_bundle(file, vkey=vkey, since=since, helpers=_processors())
        message = f"{str(options.file)!a} {kinds.ADVICE[kind]}."
        raise _WrongUseError(message)


@contextmanager
def _at_hand(opened: BinaryIO) -> Iterator[BinaryIO]:
    """Give the file, or a copy if it can be read only once, as what comes through a pipe."""
    if opened.seekable():
        yield opened
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(opened, copy)
        yield cast("BinaryIO", copy)


def _processors() -> int:
    """Return on how many processors this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _verify_receipt(data: bytes, vkey: NoteKey | None, since: bytes | None) -> Report:
    if vkey is None:
        message = "a receipt does not hold its log's key; give it with --vkey"
        raise _WrongUseError(message)
    if since is not None:
        message = "--since is for bundles: a receipt says nothing about other entries"
        raise _WrongUseError(message)
    return verify_receipt(data, vkey)


def _verify_pack(data: bytes, vkey: NoteKey | None, since: bytes | None) -> Report:
    if since is not None:
        message = "--since is for bundles: a pack says nothing about other people's entries"
        raise _WrongUseError(message)
    return verify_pack(data, vkey)


def _read_key(text: str) -> NoteKey:
    try:
        return parse_vkey(text.strip())
    except MalformedKey:
        if not Path(text).is_file():
            message = "--vkey is neither a key (name+id+base64) nor a file that holds one"
            raise MalformedKey(message) from None
    return parse_vkey(_read(Path(text), _MAX_KEY_BYTES).decode("utf-8", "replace").strip())


def _read_note(path: Path) -> bytes:
    """Read a checkpoint; an editor may have changed its line ends, which the signature forgives not.

    What is mended here is then checked by the signature like anything else.
    """
    note = _read(path, MAX_NOTE_BYTES).replace(b"\r\n", b"\n")
    return note if note.endswith(b"\n") else note + b"\n"


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot read {error.filename!a}: {error.strerror}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
