"""The one form of zip file that bundles have: stored, dated 1980, 64-bit only where it must be.

Members are not compressed: what is read is then what was hashed, no version of a compression
library can change a byte, and a small file cannot unpack to a huge one. Since every byte outside
the members follows from their names, sizes and CRCs, a reader can demand it exactly. The directory
has 32-bit numbers as long as they suffice, because older Pythons run no program out of other zips.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_VERSION = 20
_VERSION_64 = 45  # the first with 64-bit sizes
_UNIX = 3 << 8
_STREAMED = 0x0008
_DATE = 0x0021  # 1 January 1980, the first day zip knows
_MODE = 0o100644 << 16
_IN_EXTRA = 0xFFFFFFFF

_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_EXTRA = struct.Struct("<2H2Q")
_DESCRIPTOR = struct.Struct("<4sL2Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_CENTRAL_EXTRA = struct.Struct("<2H3Q")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")

#: The most bytes after the directory.
TAIL_SIZE = _END64.size + _LOCATOR.size + _END.size
_CENTRAL_EXTRA_BODY = _CENTRAL_EXTRA.size - 4
_LOCAL_EXTRA_BODY = _LOCAL_EXTRA.size - 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in a bundle.

    Attributes:
        name: Its path, ASCII.
        size: Its length in bytes.
        crc: CRC-32 of its bytes.
        offset: Where its local header begins.
        streamed: Whether its size was unknown when its header was written.
    """

    name: str
    size: int
    crc: int
    offset: int
    streamed: bool

    @property
    def start(self) -> int:
        """Where its bytes begin."""
        extra = _LOCAL_EXTRA.size if self.streamed else 0
        return self.offset + _LOCAL.size + len(self.name) + extra

    @property
    def end(self) -> int:
        """Where the next member, or the directory, begins."""
        return self.start + self.size + (_DESCRIPTOR.size if self.streamed else 0)


def local_header(member: Member) -> bytes:
    """Give what stands before a member's bytes; zeros where it was streamed."""
    name = member.name.encode("ascii")
    if not member.streamed:
        return _LOCAL.pack(
            b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE,
            member.crc, member.size, member.size, len(name), 0,
        ) + name  # fmt: skip
    return (
        _LOCAL.pack(
            b"PK\x03\x04", _VERSION_64, _STREAMED, 0, 0, _DATE,
            0, _IN_EXTRA, _IN_EXTRA, len(name), _LOCAL_EXTRA.size,
        )
        + name
        + _LOCAL_EXTRA.pack(1, _LOCAL_EXTRA_BODY, 0, 0)
    )  # fmt: skip


def descriptor(member: Member) -> bytes:
    """Give what stands after a member's bytes: nothing, unless it was streamed."""
    if not member.streamed:
        return b""
    return _DESCRIPTOR.pack(b"PK\x07\x08", member.crc, member.size, member.size)


def directory(members: Sequence[Member]) -> bytes:
    """Give everything after the last member: the central directory and the end records."""
    offset = members[-1].end if members else 0
    large = offset >= _IN_EXTRA
    central = b"".join(_central_header(member, large=large) for member in members)
    count = len(members)
    if not large:
        return central + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(central), offset, 0)
    return (
        central
        + _END64.pack(
            b"PK\x06\x06", _END64.size - 12, _UNIX | _VERSION_64, _VERSION_64, 0, 0,
            count, count, len(central), offset,
        )
        + _LOCATOR.pack(b"PK\x06\x07", 0, offset + len(central), 1)
        + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _IN_EXTRA, _IN_EXTRA, 0)
    )  # fmt: skip


def _central_header(member: Member, *, large: bool) -> bytes:
    name = member.name.encode("ascii")
    flags = _STREAMED if member.streamed else 0
    version = _VERSION_64 if large or member.streamed else _VERSION
    size, offset = (_IN_EXTRA, _IN_EXTRA) if large else (member.size, member.offset)
    extra = (
        _CENTRAL_EXTRA.pack(1, _CENTRAL_EXTRA_BODY, member.size, member.size, member.offset)
        if large
        else b""
    )
    return (
        _CENTRAL.pack(
            b"PK\x01\x02", _UNIX | version, version, flags, 0, 0, _DATE, member.crc,
            size, size, len(name), len(extra), 0, 0, 0, _MODE, offset,
        )
        + name
        + extra
    )  # fmt: skip


def read_directory_place(tail: bytes) -> tuple[int, int, int]:
    """Read from the last `TAIL_SIZE` bytes of a file, or all it has, where the directory is.

    The numbers are only a claim: the caller compares the directory with what it ought to be.

    Returns:
        Offset and length of the central directory, and the length of the records after it.

    Raises:
        ValueError: these are no end records.
    """
    end = tail[-_END.size :]
    if len(end) != _END.size or not end.startswith(b"PK\x05\x06"):
        message = "no end records"
        raise ValueError(message)
    length, offset = struct.unpack_from("<2L", end, 12)
    if offset != _IN_EXTRA:
        return offset, length, _END.size
    if len(tail) != TAIL_SIZE or not tail.startswith(b"PK\x06\x06"):
        message = "no end records of 64 bits"
        raise ValueError(message)
    length, offset = struct.unpack_from("<2Q", tail, 40)
    return offset, length, TAIL_SIZE


def read_directory(central: bytes) -> list[Member]:
    """Read the members a central directory claims.

    Raises:
        ValueError: a record is cut short, or a member is encrypted or compressed.
    """
    members, at = [], 0
    try:
        while at < len(central):
            member, at = _read_central_header(central, at)
            members.append(member)
    except (struct.error, UnicodeDecodeError) as error:
        message = "the directory is damaged"
        raise ValueError(message) from error
    return members


def _read_central_header(central: bytes, at: int) -> tuple[Member, int]:
    record = _CENTRAL.unpack_from(central, at)
    flags, method, crc, size, offset = record[3], record[4], record[7], record[8], record[16]
    if flags & 1:
        message = "a file in it is encrypted"
        raise ValueError(message)
    if method:
        message = "a file in it is compressed, bundles never are"
        raise ValueError(message)
    name_at = at + _CENTRAL.size
    extra_at = name_at + record[10]
    if offset == _IN_EXTRA:
        _, _, size, _, offset = _CENTRAL_EXTRA.unpack_from(central, extra_at)
    member = Member(
        name=central[name_at:extra_at].decode("ascii"),
        size=size,
        crc=crc,
        offset=offset,
        streamed=bool(flags & _STREAMED),
    )
    return member, extra_at + record[11]
