"""The program: what to verify is said on the command line, what was found is printed."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from broadcaster.ledger.standalone.kinds import ADVICE, kind_of
from broadcaster.ledger.standalone.notes import Key, read_key
from broadcaster.ledger.standalone.refusal import Refused, need
from broadcaster.ledger.standalone.steps import Step, Verification

FROM_BUNDLE = (
    "this verifier came out of the bundle that it verified. Whoever forges the one can forge the "
    "other: if you have doubts, take verify.py from Broadcaster's release, and the key from where "
    "you trust it"
)


def main(arguments: Sequence[str]) -> int:
    """Run; 0 if everything was verified, 1 if a step failed, 2 if it could not be carried out."""
    options = parser().parse_args(arguments)
    try:
        vkey = None if options.vkey is None else given_key(options.vkey)
        since = None if options.since is None else given_note(options.since)
        with Path(options.file).open("rb") as file:
            kind = kind_of(file)
            need(kind == "bundle", f"{options.file!a} {ADVICE.get(kind)}.")
            verification = Verification(file, vkey, since)
            steps = verification.run()
    except (OSError, Refused) as wrong:
        sys.stderr.write(f"verify: {wrong}\n")
        return 2
    remarks = verification.remarks + ([] if Path(__file__).is_file() else [FROM_BUNDLE])
    # A terminal that knows only ASCII must not turn a verdict into an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(as_json(steps, remarks) if options.json else as_text(steps, remarks))
    return 0 if steps[-1].ok else 1


def parser() -> argparse.ArgumentParser:
    """Say what may be on the command line."""
    found = argparse.ArgumentParser(
        prog="verify.py", description="Verify a consent ledger's bundle."
    )
    found.add_argument("file", metavar="FILE", help="the bundle: ledger.zip")
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
