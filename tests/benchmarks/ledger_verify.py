"""How fast a bundle is verified offline, beside bare hashlib over the same entries.

    uv run python -m tests.benchmarks.ledger_verify [--entries N] [--rounds N] [--standalone]

The log is made up: seven entries in ten are somebody's first, the others follow one of theirs; two
lists, two channels, four kinds of event. The verifier is the command itself, in a process of its
own, its start included. Bare hashlib has the entries in memory already, and hashes leaves and nodes
and nothing else. Both take turns; each ratio is of neighbours in time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster.ledger import merkle
from broadcaster.ledger.bundle import write_bundle
from broadcaster.ledger.checkpoint import Checkpoint, sign_checkpoint
from broadcaster.ledger.entry import (
    Channel,
    ConsentEntry,
    DocumentEntry,
    DocumentKind,
    Event,
    Method,
    NoticeReference,
    State,
    document_hash,
)
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ledger.shipped import verifier

TEXT = "Elke werkdag om 17 uur."
START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = [
    (Event.OPT_IN, State.GIVEN, Method.KEYWORD, "list-on/2026.1"),
    (Event.OPT_IN, State.GIVEN, Method.BUTTON, "button-on/2026.1"),
    (Event.OPT_OUT, State.WITHDRAWN, Method.KEYWORD, "list-off/2026.1"),
    (Event.PROVIDER_STOP, State.WITHDRAWN, Method.PROVIDER_KEYWORD, "provider-stop/2026.1"),
]
SEED = 7


def leaves(count: int) -> Iterator[bytes]:
    """Give the entries of a log, the same every time."""
    chance = random.Random(SEED)  # noqa: S311 - the same log every time
    last: dict[int, int] = {}
    subjects: list[int] = []
    first = DocumentEntry(
        id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        kind=DocumentKind.NOTICE,
        sha256=document_hash(TEXT),
        text=TEXT,
        recorded=START,
    )
    yield first.to_bytes()
    notice = NoticeReference(id="nrc", version=1, sha256=first.sha256, lang="nl")
    entry = ConsentEntry(
        id=first.id, subject="0" * 32, event=Event.OPT_IN, state=State.GIVEN, list="nrc",
        purpose="news-bulletin", basis="GDPR-6-1-a", channel=Channel.SMS, method=Method.KEYWORD,
        rule="list-on/2026.1", occurred=START, recorded=START, validity="until-withdrawn",
        notice=notice, terms=None, config="cd" * 32, actor="subject", reason=None, prev=None,
        evidence="0" * 64,
    )  # fmt: skip
    for index in range(1, count):
        subject = chance.getrandbits(128)
        if subjects and chance.random() > 0.7:
            subject = chance.choice(subjects)
        else:
            subjects.append(subject)
        event, state, method, rule = chance.choices(KINDS, (6, 1, 2, 1))[0]
        name = chance.choice(("nrc", "sport"))
        yield replace(
            entry,
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            subject=f"{subject:032x}",
            event=event, state=state, method=method, rule=rule, list=name,
            notice=replace(notice, id=name),
            channel=chance.choice((Channel.SMS, Channel.WHATSAPP)),
            occurred=START + timedelta(seconds=3 * index, microseconds=chance.randrange(10**6)),
            recorded=START + timedelta(seconds=3 * index + 1, microseconds=chance.randrange(10**6)),
            prev=last.get(subject),
            evidence=f"{chance.getrandbits(256):064x}",
        ).to_bytes()  # fmt: skip
        last[subject] = index


def write(path: Path, count: int) -> None:
    """Write a bundle."""
    signer = NoteSigner(
        name="benchmark.example/ledger",
        private_key=Ed25519PrivateKey.from_private_bytes(bytes(32)),
    )
    entries = list(leaves(count))
    root = merkle.root(map(merkle.leaf_hash, entries))
    head = Checkpoint(origin=signer.name, size=count, root=root)
    with path.open("wb") as out:
        write_bundle(
            out,
            checkpoint=sign_checkpoint(head, signer),
            key=signer.key,
            entries=entries,
            notices=[TEXT.encode()],
        )


class Taken(NamedTuple):
    """Seconds of the clock and of the processor, and the most memory, in MiB."""

    seconds: float
    processor: float
    memory: float = 0


def verify(words: list[str]) -> Taken:
    """Run a verifier."""
    begun = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, [sys.executable, *words], os.environ, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    taken = time.perf_counter() - begun
    if status:
        message = "the bundle was not verified"
        raise SystemExit(message)
    return Taken(taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def bare(path: Path) -> Taken:
    """Hash the entries and the tree over them with hashlib alone."""
    entries = zipfile.ZipFile(path).read("entries.jsonl").split(b"\n")[:-1]
    begun, worked = time.perf_counter(), time.process_time()
    level = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
    while len(level) > 1:
        odd = [level[-1]] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return Taken(time.perf_counter() - begun, time.process_time() - worked)


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--standalone", action="store_true", help="the verify.py of the bundle")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.zip"
        # In a process of its own: a child's greatest memory is at least what its parent has.
        with get_context("spawn").Pool(1) as pool:
            pool.apply(write, (path, options.entries))
        words = ["-m", "broadcaster.ledger", "verify", str(path)]
        if options.standalone:
            (Path(folder) / "verify.py").write_bytes(verifier())
            words = ["-I", "-S", str(Path(folder) / "verify.py"), str(path)]
        ratios = []
        for _ in range(options.rounds):
            with get_context("spawn").Pool(1) as pool:
                alone = pool.apply(bare, (path,))
            ours = verify(words)
            ratios.append(alone.seconds / ours.seconds)
            print(
                f"{options.entries:,} entries: verified in {ours.seconds:.1f} s "
                f"({ours.processor:.1f} s of processor), {ours.memory:.0f} MiB; bare hashlib "
                f"{alone.seconds:.1f} s ({alone.processor:.1f} s); ratio {ratios[-1]:.2f}, "
                f"of processor time {alone.processor / ours.processor:.2f}",
                flush=True,
            )
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
