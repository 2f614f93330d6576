"""Writing a bundle: one file with the whole log and all it takes to check it without us.

Memory does not grow with the number of entries, and the output need not be seekable: the same
chunks go into a file or straight into a response.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.errors import BundleError
from broadcaster.ledger.keys import NoteKey
from broadcaster.ledger.manifest import (
    CHECKPOINT,
    ENTRIES,
    MANIFEST,
    NOTICES,
    TERMS,
    VKEY,
    FileRecord,
    Manifest,
)
from broadcaster.ledger.merkle import Frontier, leaf_hash
from broadcaster.ledger.zipform import Member, descriptor, directory, local_header

_CHUNK = 256 * 1024


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
    yield writer.add(CHECKPOINT, checkpoint)
    yield writer.add(VKEY, key.to_text().encode("utf-8") + b"\n")
    for folder, documents in ((NOTICES, notices), (TERMS, terms)):
        by_hash = {hashlib.sha256(data).hexdigest(): data for data in documents}
        for digest in sorted(by_hash):
            yield writer.add(folder + digest, by_hash[digest])
    yield from writer.add_entries(entries, head)
    manifest = Manifest(
        origin=head.origin, size=head.size, root=head.root.hex(), files=tuple(writer.records)
    )
    yield writer.add(MANIFEST, manifest.to_bytes())
    yield directory(writer.members)


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

    def add_entries(self, entries: Iterable[bytes], head: Checkpoint) -> Iterator[bytes]:
        member = Member(name=ENTRIES, size=0, crc=0, offset=self._offset(), streamed=True)
        yield local_header(member)
        digest, frontier = hashlib.sha256(), Frontier()
        for leaves in _batches(entries):
            chunk = b"\n".join([*leaves, b""])
            digest.update(chunk)
            frontier = frontier.extend(leaf_hash(leaf) for leaf in leaves)
            member = replace(
                member, size=member.size + len(chunk), crc=zlib.crc32(chunk, member.crc)
            )
            yield chunk
        if (frontier.size, frontier.root()) != (head.size, head.root):
            message = "the entries do not lead to the checkpoint; the log may be damaged"
            raise BundleError(message)
        self._remember(member, digest.hexdigest())
        yield descriptor(member)

    def _offset(self) -> int:
        return self.members[-1].end if self.members else 0

    def _remember(self, member: Member, digest: str) -> None:
        self.members.append(member)
        self.records.append(FileRecord(name=member.name, sha256=digest, length=member.size))


def _batches(entries: Iterable[bytes]) -> Iterator[list[bytes]]:
    leaves: list[bytes] = []
    length = 0
    for leaf in entries:
        if len(leaf) > MAX_LEAF_BYTES or b"\n" in leaf:
            message = f"a leaf has at most {MAX_LEAF_BYTES:,} bytes and no line feed"
            raise BundleError(message)
        leaves.append(leaf)
        length += len(leaf)
        if length >= _CHUNK:
            yield leaves
            leaves, length = [], 0
    if leaves:
        yield leaves
