"""Writing a bundle: one file with the whole log and all it takes to check it without us.

Memory does not grow with the number of entries, and the output need not be seekable: the same
chunks go into a file or straight into a response.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.errors import BundleError
from broadcaster.ledger.keys import NoteKey
from broadcaster.ledger.manifest import (
    CHECKPOINT,
    ENTRIES,
    MAIN,
    MANIFEST,
    NOTICES,
    PROOFS,
    TERMS,
    VERIFIER,
    VKEY,
    FileRecord,
    Manifest,
    Part,
)
from broadcaster.ledger.merkle import Frontier, leaf_hash, leaf_hashes
from broadcaster.ledger.proof import verify_inclusion
from broadcaster.ledger.proven import Place
from broadcaster.ledger.shipped import STARTER, verifier
from broadcaster.ledger.sums import Sums
from broadcaster.ledger.zipform import Member, descriptor, directory, local_header

# How many leaves are written at once: some 300 kB, and at most 32 MiB.
_LEAVES = 512


def write_bundle(
    out: BinaryIO,
    *,
    checkpoint: bytes,
    key: NoteKey,
    entries: Iterable[bytes],
    notices: Iterable[bytes] = (),
    terms: Iterable[bytes] = (),
) -> None:
    """Write a bundle to a binary file; see `stream_bundle`."""
    out.writelines(
        stream_bundle(checkpoint=checkpoint, key=key, entries=entries, notices=notices, terms=terms)
    )


def stream_bundle(
    *,
    checkpoint: bytes,
    key: NoteKey,
    entries: Iterable[bytes],
    notices: Iterable[bytes] = (),
    terms: Iterable[bytes] = (),
) -> Iterator[bytes]:
    """Give a bundle in chunks.

    Args:
        checkpoint: The signed checkpoint.
        key: The log's public key.
        entries: The leaves the checkpoint covers, in order.
        notices: The exact bytes of each notice that entries name.
        terms: The exact bytes of each version of terms that entries name.

    Raises:
        NoteError: the checkpoint is not signed by the key.
        CheckpointError: it is no checkpoint of this log.
        BundleError: a leaf cannot be a line, or the entries do not lead to the checkpoint; what
            was given so far must be thrown away.
    """
    head = open_checkpoint(checkpoint, key)
    writer = _Writer()
    yield from writer.begin(checkpoint, key, notices, terms)
    yield from writer.add_entries(entries, head)
    yield writer.end(head, None)


def stream_part(
    *,
    checkpoint: bytes,
    key: NoteKey,
    part: Part,
    entries: Callable[[], Iterable[tuple[int, bytes]]],
    prove: Callable[[int], Sequence[bytes]],
    notices: Iterable[bytes] = (),
    terms: Iterable[bytes] = (),
) -> Iterator[bytes]:
    """Give a bundle of a part of the log in chunks: each entry proven, all others but hashes.

    Args:
        checkpoint: The signed checkpoint.
        key: The log's public key.
        part: What is shown.
        entries: Gives index and leaf of each entry to show, in order; called twice.
        prove: Gives the inclusion proof of an entry in the tree of the checkpoint.
        notices: The exact bytes of each notice that these entries name.
        terms: The exact bytes of each version of terms that these entries name.

    Raises:
        NoteError: the checkpoint is not signed by the key.
        CheckpointError: it is no checkpoint of this log.
        BundleError: a leaf cannot be a line.
        ProofError: a proof does not lead to the checkpoint; what was given so far must be thrown
            away.
    """
    head = open_checkpoint(checkpoint, key)
    writer = _Writer()
    yield from writer.begin(checkpoint, key, notices, terms)
    yield from writer.add_lines(ENTRIES, (leaf for _index, leaf in entries()))
    yield from writer.add_lines(PROOFS, _proofs(entries(), prove, head))
    yield writer.end(head, part)


def _proofs(
    entries: Iterable[tuple[int, bytes]],
    prove: Callable[[int], Sequence[bytes]],
    head: Checkpoint,
) -> Iterator[bytes]:
    for index, leaf in entries:
        proof = prove(index)
        verify_inclusion(index, head.size, leaf_hash(leaf), proof, head.root)
        yield Place(index, proof).to_bytes()


class _Writer:
    """Remembers what was written, for the directory and the manifest."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.records: list[FileRecord] = []

    def add(self, name: str, data: bytes) -> bytes:
        member = Member(
            name=name,
            size=len(data),
            crc=zlib.crc32(data),
            offset=self._offset(),
            streamed=False,
        )
        self._remember(member, hashlib.sha256(data).hexdigest())
        return local_header(member) + data

    def begin(
        self, checkpoint: bytes, key: NoteKey, notices: Iterable[bytes], terms: Iterable[bytes]
    ) -> Iterator[bytes]:
        yield self.add(CHECKPOINT, checkpoint)
        yield self.add(VKEY, key.to_text().encode("utf-8") + b"\n")
        yield self.add(MAIN, STARTER)
        yield self.add(VERIFIER, verifier())
        for folder, documents in ((NOTICES, notices), (TERMS, terms)):
            by_hash = {hashlib.sha256(data).hexdigest(): data for data in documents}
            for digest in sorted(by_hash):
                yield self.add(folder + digest, by_hash[digest])

    def add_entries(self, entries: Iterable[bytes], head: Checkpoint) -> Iterator[bytes]:
        frontier = Frontier()

        def grown() -> Iterator[list[bytes]]:
            nonlocal frontier
            for leaves in _batches(entries):
                frontier = frontier.extend(leaf_hashes(leaves))
                yield leaves

        yield from self._add_batches(ENTRIES, grown())
        if (frontier.size, frontier.root()) != (head.size, head.root):
            message = "the entries do not lead to the checkpoint; the log may be damaged"
            raise BundleError(message)

    def add_lines(self, name: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        yield from self._add_batches(name, _batches(lines))

    def end(self, head: Checkpoint, part: Part | None) -> bytes:
        manifest = Manifest(
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            part=part,
            files=tuple(self.records),
        )
        return self.add(MANIFEST, manifest.to_bytes()) + directory(self.members)

    def _add_batches(self, name: str, batches: Iterable[list[bytes]]) -> Iterator[bytes]:
        member = Member(name=name, size=0, crc=0, offset=self._offset(), streamed=True)
        yield local_header(member)
        sums = Sums()
        yield from sums.taken(map(_lines, batches))
        member = replace(member, size=sums.size, crc=sums.crc)
        self._remember(member, sums.digest.hexdigest())
        yield descriptor(member)

    def _offset(self) -> int:
        return self.members[-1].end if self.members else 0

    def _remember(self, member: Member, digest: str) -> None:
        self.members.append(member)
        self.records.append(FileRecord(name=member.name, sha256=digest, length=member.size))


def _batches(entries: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Give leaves by the hundred, whatever their length: memory stays flat, as they have a limit."""
    rest = iter(entries)
    while leaves := list(islice(rest, _LEAVES)):
        if max(map(len, leaves)) > MAX_LEAF_BYTES or any(b"\n" in leaf for leaf in leaves):
            message = f"a leaf has at most {MAX_LEAF_BYTES:,} bytes and no line feed"
            raise BundleError(message)
        yield leaves


def _lines(leaves: list[bytes]) -> bytes:
    """Write leaves down, a line each."""
    return b"\n".join([*leaves, b""])
