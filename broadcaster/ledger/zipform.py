"""The one form of zip file that bundles have: stored, dated 1980, always with 64-bit sizes.

Members are not compressed: what is read is then what was hashed, no version of a compression
library can change a byte, and a small file cannot unpack to a huge one. Since every byte outside
the members follows from their names, sizes and CRCs, a reader can demand it exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_VERSION = 45  # the first with 64-bit sizes
_MADE_BY = 3 << 8 | _VERSION  # Unix
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
        return self.offset + _LOCAL.size + len(self.name) + _LOCAL_EXTRA.size

    @property
    def end(self) -> int:
        """Where the next member, or the directory, begins."""
        return self.start + self.size + (_DESCRIPTOR.size if self.streamed else 0)


def local_header(member: Member) -> bytes:
    """Give what stands before a member's bytes; zeros where it was streamed."""
    name = member.name.encode("ascii")
    flags, crc, size = (_STREAMED, 0, 0) if member.streamed else (0, member.crc, member.size)
    return (
        _LOCAL.pack(
            b"PK\x03\x04", _VERSION, flags, 0, 0, _DATE,
            crc, _IN_EXTRA, _IN_EXTRA, len(name), _LOCAL_EXTRA.size,
        )
        + name
        + _LOCAL_EXTRA.pack(1, _LOCAL_EXTRA_BODY, size, size)
    )  # fmt: skip


def descriptor(member: Member) -> bytes:
    """Give what stands after a member's bytes: nothing, unless it was streamed."""
    if not member.streamed:
        return b""
    return _DESCRIPTOR.pack(b"PK\x07\x08", member.crc, member.size, member.size)


def directory(members: Sequence[Member]) -> bytes:
    """Give everything after the last member: the central directory and the end records."""
    central = b"".join(_central_header(member) for member in members)
    offset = members[-1].end if members else 0
    count = len(members)
    return (
        central
        + _END64.pack(
            b"PK\x06\x06", _END64.size - 12, _MADE_BY, _VERSION, 0, 0,
            count, count, len(central), offset,
        )
        + _LOCATOR.pack(b"PK\x06\x07", 0, offset + len(central), 1)
        + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _IN_EXTRA, _IN_EXTRA, 0)
    )  # fmt: skip


def _central_header(member: Member) -> bytes:
    name = member.name.encode("ascii")
    flags = _STREAMED if member.streamed else 0
    return (
        _CENTRAL.pack(
            b"PK\x01\x02", _MADE_BY, _VERSION, flags, 0, 0, _DATE, member.crc,
            _IN_EXTRA, _IN_EXTRA, len(name), _CENTRAL_EXTRA.size, 0, 0, 0, _MODE, _IN_EXTRA,
        )
        + name
        + _CENTRAL_EXTRA.pack(1, _CENTRAL_EXTRA_BODY, member.size, member.size, member.offset)
    )  # fmt: skip


def read_directory_place(tail: bytes) -> tuple[int, int]:
    """Read from the last `TAIL_SIZE` bytes of a file where the directory is.

    The numbers are only a claim: the caller compares the directory with what it ought to be.

    Returns:
        Offset and length of the central directory.

    Raises:
        ValueError: these are no end records.
    """
    if len(tail) != TAIL_SIZE or tail[:4] != b"PK\x06\x06":
        message = "no end records"
        raise ValueError(message)
    length, offset = struct.unpack_from("<2Q", tail, 40)
    return offset, length


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
    flags, method, crc, name_length = record[3], record[4], record[7], record[10]
    if flags & 1:
        message = "a file in it is encrypted"
        raise ValueError(message)
    if method:
        message = "a file in it is compressed, bundles never are"
        raise ValueError(message)
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_length
    extra = _CENTRAL_EXTRA.unpack_from(central, extra_at)
    member = Member(
        name=central[name_at:extra_at].decode("ascii"),
        size=extra[2],
        crc=crc,
        offset=extra[4],
        streamed=bool(flags & _STREAMED),
    )
    return member, extra_at + _CENTRAL_EXTRA.size
