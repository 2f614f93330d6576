"""The one form of zip that bundles have: every byte outside the files follows from what is inside."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Any, NamedTuple

from broadcaster.ledger.standalone.notes import sha256
from broadcaster.ledger.standalone.refusal import need, refuse
from broadcaster.ledger.standalone.rules import HASH, MAX_LEAF, NAME, SUBJECT, read_json

ENTRIES, PROOFS, MANIFEST = "entries.jsonl", "proofs.jsonl", "manifest.json"
FIRST = ["checkpoint", "vkey", "__main__.py", "verify.py"]
DOCUMENT_NAME = re.compile("(?:notices|terms)/[0-9a-f]{64}")
LONGEST_PROOF = 63
MAX_DOCUMENTS, MAX_FILE, MAX_MANIFEST, CHUNK = 10_000, 1_000_000, 4_000_000, 1 << 20
FULL = 0xFFFFFFFF  # where the number stands elsewhere, in 64 bits
STARTER = b"""\
# Run as "python3 ledger.zip": verifies the bundle that this file is in.
import sys

import verify

sys.exit(verify.main(sys.argv))
"""


class Member(NamedTuple):
    """A file in the zip: its name, size and checksum, and where its record begins."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def is_streamed(self) -> bool:
        """Whether its size was not known when it was begun."""
        return self.name in {ENTRIES, PROOFS}

    @property
    def start(self) -> int:
        """Where its bytes begin."""
        return self.offset + len(self.header())

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.start + self.size + len(self.closing())

    def header(self) -> bytes:
        """Give what stands before its bytes."""
        name = self.name.encode("ascii")
        streamed = self.is_streamed
        numbers = (0, FULL, FULL) if streamed else (self.crc, self.size, self.size)
        extra = struct.pack("<2H2Q", 1, 16, 0, 0) if streamed else b""
        version, flags = (45, 8) if streamed else (20, 0)
        fixed = (b"PK\x03\x04", version, flags, 0, 0, 0x21, *numbers, len(name), len(extra))
        return struct.pack("<4s5H3L2H", *fixed) + name + extra

    def closing(self) -> bytes:
        """Give what stands after its bytes."""
        if not self.is_streamed:
            return b""
        return struct.pack("<4sL2Q", b"PK\x07\x08", self.crc, self.size, self.size)

    def listed(self, *, large: bool) -> bytes:
        """Give its record in the directory."""
        name = self.name.encode("ascii")
        version, flags = (45 if large or self.is_streamed else 20), 8 * self.is_streamed
        size, offset = (FULL, FULL) if large else (self.size, self.offset)
        extra = struct.pack("<2H3Q", 1, 24, self.size, self.size, self.offset) if large else b""
        fixed = (b"PK\x01\x02", 3 << 8 | version, version, flags, 0, 0, 0x21, self.crc, size, size)
        rest = (len(name), len(extra), 0, 0, 0, 0o100644 << 16, offset)
        return struct.pack("<4s6H3L5H2L", *fixed, *rest) + name + extra


def directory(members: list[Member]) -> bytes:
    """Give what stands after the last file."""
    offset, count = (members[-1].end if members else 0), len(members)
    large = offset >= FULL
    central = b"".join(member.listed(large=large) for member in members)
    end = (
        struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(central), offset, 0)
        if (not large)
        else (
            struct.pack(
                "<4sQ2H2L4Q",
                b"PK\x06\x06",
                44,
                3 << 8 | 45,
                45,
                0,
                0,
                count,
                count,
                len(central),
                offset,
            )
            + struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + len(central), 1)
            + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, FULL, FULL, 0)
        )
    )
    return central + end


class Bundle:
    """An open bundle; what is read of it is held against the manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.length = file.seek(0, os.SEEK_END)
        try:
            members, found = self._find_members()
        except (struct.error, UnicodeDecodeError):
            refuse("not a bundle, or cut short, or changed")
        check_names([member.name for member in members])
        self._check_frame(members, found)
        self.members = {member.name: member for member in members}
        self.hashes: dict[str, str] = {}

    def read_manifest(self) -> dict[str, Any]:
        """Read the manifest."""
        manifest = read_json(self._whole(MANIFEST, MAX_MANIFEST))
        check_manifest(manifest)
        sizes = [[member.name, member.size] for member in self.members.values()]
        listed = [[file["name"], file["length"]] for file in manifest["files"]]
        need(listed == sizes[:-1], "the manifest does not list exactly the files there are")
        of_part = manifest["part"] is not None
        need(of_part == (PROOFS in self.members), "a part of a log, and only that, has proofs")
        self.hashes = {file["name"]: file["sha256"] for file in manifest["files"]}
        return manifest  # type: ignore[no-any-return]

    def read(self, name: str) -> bytes:
        """Read one of the small files."""
        data = self._whole(name, MAX_FILE)
        need(sha256(data) == self.hashes[name], f"{name} has not the hash that the manifest gives")
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        """Read one of the large files line by line."""
        member, digest, crc, rest = self.members[name], hashlib.sha256(), 0, b""
        for at in range(member.start, member.start + member.size, CHUNK):
            chunk = self._read_at(at, min(CHUNK, member.start + member.size - at))
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            need(len(rest) <= MAX_LEAF, f"a line of {name} is too long")
            yield from lines
        need(not rest, f"the last line of {name} does not end")
        need(crc == member.crc, f"{name} is damaged")
        need(digest.hexdigest() == self.hashes[name], f"{name} has not the manifest's hash")

    def proven(self) -> Iterator[tuple[int, list[bytes], bytes]]:
        """Read index, proof and entry of everything in a part of a log."""
        before = -1
        for leaf, line in zip_longest(self.lines(ENTRIES), self.lines(PROOFS)):
            need(leaf is not None and line is not None, "entries and proofs differ in number")
            place = read_json(line)
            check_place(place)
            need(place["index"] > before, f"entry {place['index']} is not where the log has it")
            before = place["index"]
            yield before, [bytes.fromhex(item) for item in place["proof"]], leaf

    def _find_members(self) -> tuple[list[Member], bytes]:
        tail = self._read_at(max(self.length - 98, 0), min(self.length, 98))
        length, offset, end = *struct.unpack_from("<2L", tail[-22:], 12), 22
        if offset == FULL:
            length, offset, end = *struct.unpack_from("<2Q", tail, 40), 98
        fits = length <= 250 * MAX_DOCUMENTS and offset + length + end == self.length
        need(fits, "not a bundle, or cut short, or changed: its end does not fit its beginning")
        central = self._read_at(offset, length)
        return list(_members(central)), central + tail[-end:]

    def _check_frame(self, members: list[Member], found: bytes) -> None:
        at = 0
        for member in members:
            small = member.is_streamed or member.size <= MAX_MANIFEST
            need(member.offset == at and small, f"{member.name} is not where the writer puts it")
            at = member.end
        need(at <= self.length and found == directory(members), "the directory is not the writer's")
        for member in members:
            header, closing = member.header(), member.closing()
            before = self._read_at(member.offset, len(header))
            after = self._read_at(member.end - len(closing), len(closing))
            same = (before, after) == (header, closing)
            need(same, f"the header of {member.name} is not the writer's")

    def _whole(self, name: str, limit: int) -> bytes:
        member = self.members[name]
        need(member.size <= limit, f"{name} is larger than any such file ever is")
        data = self._read_at(member.start, member.size)
        need(zlib.crc32(data) == member.crc, f"{name} is damaged")
        return data

    def _read_at(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        data = self.file.read(length)
        need(len(data) == length, "the file ends too early")
        return data


def _members(central: bytes) -> Iterator[Member]:
    at = 0
    while at < len(central):
        record = struct.unpack_from("<4s6H3L5H2L", central, at)
        name_at = at + 46
        at = name_at + record[10]
        size, offset = record[8], record[16]
        if offset == FULL:
            size, _, offset = struct.unpack_from("<3Q", central, at + 4)
        yield Member(central[name_at:at].decode("ascii"), size, record[7], offset)
        at += record[11]


def check_names(names: list[str]) -> None:
    """Check that these are the files of a bundle, in their order; none is ever used as a path."""
    last = [ENTRIES, PROOFS, MANIFEST] if PROOFS in names else [ENTRIES, MANIFEST]
    documents = names[len(FIRST) : -len(last)]
    for name in documents:
        need(DOCUMENT_NAME.fullmatch(name), f"{name!a} has no place in a bundle, or not this one")
    expected = [*FIRST, *sorted(set(documents)), *last]
    need(names == expected, "files are missing, there twice or in the wrong order")
    need(len(documents) <= MAX_DOCUMENTS, f"a bundle has at most {MAX_DOCUMENTS:,} documents")


def check_manifest(manifest: object) -> None:
    """Check the form of a manifest."""
    forms = {"v": str, "origin": str, "size": int, "root": str, "files": list}
    formed = (
        isinstance(manifest, dict)
        and manifest.keys() == {*forms, "part"}
        and all(type(manifest[name]) is form for name, form in forms.items())
        and manifest["v"] == "broadcaster/bundle/1"
        and HASH.fullmatch(manifest["root"])
        and is_part(manifest["part"])
        and all(is_file(file) for file in manifest["files"])
    )
    need(formed, "the manifest has missing, unknown or ill-formed fields, or another version")


def is_file(file: object) -> bool:
    """Tell whether this is what a manifest says of a file."""
    return (
        isinstance(file, dict)
        and file.keys() == {"name", "sha256", "length"}
        and isinstance(file["name"], str)
        and type(file["length"]) is int
        and isinstance(file["sha256"], str)
        and HASH.fullmatch(file["sha256"]) is not None
    )


def is_part(part: object) -> bool:
    """Tell whether this says which part of a log a bundle shows; None for all of it."""
    if part is None:
        return True
    ((kind, name),) = part.items() if isinstance(part, dict) and len(part) == 1 else [("", "")]
    form = {"subject": SUBJECT, "list": NAME}.get(kind)
    return form is not None and isinstance(name, str) and form.fullmatch(name) is not None


def check_place(place: object) -> None:
    """Check the form of a line that proves an entry."""
    formed = (
        isinstance(place, dict)
        and place.keys() == {"index", "proof"}
        and type(place["index"]) is int
        and place["index"] >= 0
        and isinstance(place["proof"], list)
        and len(place["proof"]) <= LONGEST_PROOF
        and all(isinstance(item, str) and HASH.fullmatch(item) for item in place["proof"])
    )
    need(formed, "a line of proofs has an index and at most 63 hashes of 32 bytes")
