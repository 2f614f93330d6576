"""The program: what to verify is said on the command line, what was found is printed."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from broadcaster.ledger.standalone.evidence import PackVerification
from broadcaster.ledger.standalone.kinds import ADVICE, kind_of
from broadcaster.ledger.standalone.notes import Key, read_key
from broadcaster.ledger.standalone.refusal import Refused, need
from broadcaster.ledger.standalone.steps import Step, Verification

FROM_BUNDLE = (
    "this verifier came out of the bundle. Whoever forges what it verified can forge it, too: if "
    "you have doubts, take verify.py from Broadcaster's release, and the key from where you trust it"
)


def main(arguments: Sequence[str]) -> int:
    """Run; 0 if everything was verified, 1 if a step failed, 2 if it could not be carried out."""
    options = parser().parse_intermixed_args(arguments)
    shipped = not Path(__file__).is_file()
    try:
        # From a bundle, its own name comes first; a pack may follow it.
        need(len(options.file) <= 1 + shipped, "give one file at a time")
        vkey = None if options.vkey is None else given_key(options.vkey)
        since = None if options.since is None else given_note(options.since)
        with Path(options.file[-1]).open("rb") as file:
            steps, remarks = verified(file, options.file[-1], vkey, since)
    except (OSError, Refused) as wrong:
        sys.stderr.write(f"verify: {wrong}\n")
        return 2
    remarks += [FROM_BUNDLE] if shipped else []
    # A terminal that knows only ASCII must not turn a verdict into an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(as_json(steps, remarks) if options.json else as_text(steps, remarks))
    return 0 if steps[-1].ok else 1


def verified(
    file: IO[bytes], name: str, vkey: Key | None, since: bytes | None
) -> tuple[list[Step], list[str]]:
    """Verify a bundle or a pack; refuse what is neither, and say what it is."""
    kind = kind_of(file)
    need(kind in {"bundle", "pack"}, f"{name!a} {ADVICE.get(kind)}.")
    pack_alone = kind == "bundle" or since is None
    need(pack_alone, "--since is for bundles: a pack says nothing about other people's entries")
    run = Verification(file, vkey, since) if kind == "bundle" else PackVerification(file, vkey)
    return run.run(), run.remarks


def parser() -> argparse.ArgumentParser:
    """Say what may be on the command line."""
    found = argparse.ArgumentParser(
        prog="verify.py",
        usage="%(prog)s [-h] [--vkey KEY] [--since CHECKPOINT] [--json] FILE",
        description="Verify a consent ledger's bundle, or an evidence pack.",
    )
    found.add_argument("file", nargs="+", metavar="FILE", help="ledger.zip, or evidence.json")
    found.add_argument(
        "--vkey", metavar="KEY", help="the log's public key, or a file that holds it"
    )
    found.add_argument("--since", metavar="CHECKPOINT", help="an older checkpoint (a file)")
    found.add_argument("--json", action="store_true", help="print the report as JSON")
    return found


def given_key(text: str) -> Key:
    """Read a key from the command line or from the file it names."""
    if not Path(text).is_file():
        return read_key(text.strip())
    with Path(text).open("rb") as file:
        return read_key(file.read(10_000).decode("utf-8", "replace").strip())


def given_note(path: str) -> bytes:
    """Read a checkpoint; an editor may have changed its line ends."""
    with Path(path).open("rb") as file:
        note = file.read(1_000_001).replace(b"\r\n", b"\n")
    return note if note.endswith(b"\n") else note + b"\n"


def as_text(steps: Sequence[Step], remarks: Sequence[str]) -> str:
    """Give one line per step and a verdict; nothing in it can steer a terminal."""
    lines = [f"{'ok' if step.ok else 'FAILED':<8}{step.name}: {step.detail}" for step in steps]
    for note in steps[-1].evidence:
        lines += ["", *note.splitlines()]
    for remark in remarks:
        lines += ["", f"Mind: {remark}."]
    last = steps[-1]
    verdict = "Verified." if last.ok else f"NOT verified: the step '{last.name}' failed."
    return "".join(f"{visible(line)}\n" for line in [*lines, "", verdict])


def as_json(steps: Sequence[Step], remarks: Sequence[str]) -> str:
    """Give the report for programs."""
    last = steps[-1]
    report = {
        "ok": last.ok,
        "failed": None if last.ok else last.name,
        "steps": [step._asdict() for step in steps],
        "remarks": list(remarks),
    }
    return json.dumps(report, indent=2) + "\n"


def visible(line: str) -> str:
    """Show what a terminal would obey."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in line
    )
