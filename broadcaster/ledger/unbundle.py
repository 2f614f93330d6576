"""Reading a bundle in bounded memory, trusting nothing in it.

Only the exact form that `bundle` writes is read: every byte outside the files themselves is
compared with what it must be, and every byte inside is covered by a CRC and by the manifest. So one
flipped bit anywhere refuses the file, and no name in it is ever used as a path.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import BinaryIO, NamedTuple

from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.errors import BundleError
from broadcaster.ledger.manifest import (
    ENTRIES,
    MANIFEST,
    PROOFS,
    STREAMED,
    FileRecord,
    Manifest,
    check_names,
    parse_manifest,
)
from broadcaster.ledger.sums import Sums
from broadcaster.ledger.zipform import (
    TAIL_SIZE,
    Member,
    descriptor,
    directory,
    local_header,
    read_directory,
    read_directory_place,
)

MAX_DOCUMENTS = 10_000
MAX_FILE_BYTES = 1_000_000
MAX_MANIFEST_BYTES = 4_000_000
_OTHER_FILES = 7
_MAX_DIRECTORY_BYTES = 200 * (MAX_DOCUMENTS + _OTHER_FILES)
_CHUNK = 256 * 1024
_SPAN = 512 * 1024


class Span(NamedTuple):
    """Whole lines of a file.

    Attributes:
        offset: Where in the bundle they begin, in bytes.
        length: How many bytes they are.
        lines: How many lines.
    """

    offset: int
    length: int
    lines: int


class Bundle:
    """An open bundle whose structure was checked; contents are checked as they are read.

    Args:
        file: The bundle; must be seekable, and stay open while the bundle is read.

    Raises:
        BundleError: the file is not exactly what the bundle writer writes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members = {member.name: member for member in _read_structure(file)}
        self._records: dict[str, FileRecord] = {}

    @property
    def names(self) -> list[str]:
        """The names of all files, in their order."""
        return list(self._members)

    def read_manifest(self) -> Manifest:
        """Read the manifest, and from now on hold every file against it.

        Raises:
            BundleError: it is damaged, or does not list exactly the files there are.
        """
        manifest = parse_manifest(self._read(MANIFEST, MAX_MANIFEST_BYTES))
        listed = [(record.name, record.length) for record in manifest.files]
        present = [(m.name, m.size) for m in self._members.values() if m.name != MANIFEST]
        if listed != present:
            message = "the manifest does not list exactly the files there are, with their lengths"
            raise BundleError(message)
        if (manifest.part is not None) != (PROOFS in self._members):
            message = "a part of a log comes with proofs, the whole log without"
            raise BundleError(message)
        self._records = {record.name: record for record in manifest.files}
        return manifest

    def read(self, name: str) -> bytes:
        """Read one of the small files whole.

        Args:
            name: Any name but that of the entries and of the manifest.

        Raises:
            BundleError: it is damaged, or is not what the manifest says.
        """
        data = self._read(name, MAX_FILE_BYTES)
        self._check_hash(name, hashlib.sha256(data).hexdigest())
        return data

    def read_entries(self) -> Iterator[list[bytes]]:
        """Read the leaves in order, in batches of about 256 kB.

        Raises:
            BundleError: the file is damaged, is not what the manifest says, or a line is too long
                or does not end. Leaves given before that must not be relied on.
        """
        return self._lines(ENTRIES)

    def read_spans(self) -> Iterator[Span]:
        """Read the entries as `read_entries` does, but give only where they are, whole lines at a time.

        Raises:
            BundleError: see `read_entries`; that no line is too long is for who reads the spans.
        """
        member = self._members[ENTRIES]
        sums, at, read = Sums(), member.start, member.start
        for chunk in sums.taken(self._chunks(member, _SPAN)):
            last = chunk.rfind(b"\n")
            if last < 0 and len(chunk) == _SPAN:
                raise BundleError(_too_long(ENTRIES))
            if last >= 0:
                # Its line feeds are those of this chunk: what is left of the one before has none.
                yield Span(at, read + last + 1 - at, chunk.count(b"\n"))
                at = read + last + 1
            read += len(chunk)
        self._check_end(member, sums, ended=at == read)

    def read_lines(self, span: Span) -> list[bytes]:
        """Read the lines of a span.

        Raises:
            BundleError: the file is damaged, or a line is too long.
        """
        lines = _read_at(self._file, span.offset, span.length).split(b"\n")[:-1]
        if max(map(len, lines)) > MAX_LEAF_BYTES:
            raise BundleError(_too_long(ENTRIES))
        return lines

    @property
    def entries_size(self) -> int:
        """How many bytes the entries are."""
        return self._members[ENTRIES].size

    def read_proven(self) -> Iterator[tuple[bytes, bytes]]:
        """Read each leaf of a part of a log, with the line that proves it.

        Raises:
            BundleError: see `read_entries`; or there are fewer of the one than of the other.
        """
        leaves = chain.from_iterable(self._lines(ENTRIES))
        proofs = chain.from_iterable(self._lines(PROOFS))
        for leaf, proof in zip_longest(leaves, proofs):
            if leaf is None or proof is None:
                message = f"{ENTRIES} and {PROOFS} have different numbers of lines"
                raise BundleError(message)
            yield leaf, proof

    def _lines(self, name: str) -> Iterator[list[bytes]]:
        member, rest = self._members[name], b""
        sums = Sums()
        for chunk in sums.taken(self._chunks(member)):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            if len(rest) > MAX_LEAF_BYTES or max(map(len, lines), default=0) > MAX_LEAF_BYTES:
                raise BundleError(_too_long(name))
            yield lines
        self._check_end(member, sums, ended=not rest)

    def _check_end(self, member: Member, sums: Sums, *, ended: bool) -> None:
        if not ended:
            message = f"the last line of {member.name} does not end"
            raise BundleError(message)
        _check_crc(member, sums.crc)
        self._check_hash(member.name, sums.digest.hexdigest())

    def _read(self, name: str, limit: int) -> bytes:
        member = self._members[name]
        if member.size > limit:
            message = f"{name} is larger than any such file ever is"
            raise BundleError(message)
        data = b"".join(self._chunks(member))
        _check_crc(member, zlib.crc32(data))
        return data

    def _chunks(self, member: Member, length: int = _CHUNK) -> Iterator[bytes]:
        at, end = member.start, member.start + member.size
        while at < end:
            chunk = _read_at(self._file, at, min(length, end - at))
            at += len(chunk)
            yield chunk

    def _check_hash(self, name: str, digest: str) -> None:
        if self._records[name].sha256 != digest:
            message = f"{name} has not the hash that the manifest gives"
            raise BundleError(message)


def _too_long(name: str) -> str:
    return f"a line of {name} has more than {MAX_LEAF_BYTES:,} bytes"


def _read_structure(file: BinaryIO) -> list[Member]:
    try:
        members, end = _read_directory(file)
    except ValueError as error:
        message = f"not a bundle, or cut short, or changed: {error}"
        raise BundleError(message) from error
    check_names([member.name for member in members])
    if len(members) > MAX_DOCUMENTS + _OTHER_FILES:
        message = f"a bundle has at most {MAX_DOCUMENTS:,} documents"
        raise BundleError(message)
    _check_frame(file, members, end)
    return members


def _read_directory(file: BinaryIO) -> tuple[list[Member], bytes]:
    size = file.seek(0, os.SEEK_END)
    tail = _read_at(file, max(size - TAIL_SIZE, 0), min(size, TAIL_SIZE))
    offset, length, end = read_directory_place(tail)
    if length > _MAX_DIRECTORY_BYTES or offset + length + end != size:
        message = "its end does not fit its beginning"
        raise ValueError(message)
    central = _read_at(file, offset, length)
    return read_directory(central), central + tail[-end:]


def _check_frame(file: BinaryIO, members: list[Member], end: bytes) -> None:
    at = 0
    for member in members:
        if member.offset != at or member.streamed != (member.name in STREAMED):
            message = f"{member.name} is not where or how the writer puts it"
            raise BundleError(message)
        if not member.streamed and member.size > MAX_MANIFEST_BYTES:
            message = f"{member.name} is larger than any such file ever is"
            raise BundleError(message)
        at = member.end
    if at > file.seek(0, os.SEEK_END) or end != directory(members):
        message = "the directory is not the one the writer makes"
        raise BundleError(message)
    for member in members:
        header, closing = local_header(member), descriptor(member)
        if (
            _read_at(file, member.offset, len(header)) != header
            or _read_at(file, member.end - len(closing), len(closing)) != closing
        ):
            message = f"the header of {member.name} is not the one the writer makes"
            raise BundleError(message)


def _read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        message = "the file ends too early"
        raise BundleError(message)
    return data


def _check_crc(member: Member, crc: int) -> None:
    if member.crc != crc:
        message = f"{member.name} is damaged"
        raise BundleError(message)
