"""Hash and checksum of a file, reckoned beside whatever else is done with what is in it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor


class Sums:
    """Both let other threads go on while they reckon, so on two cores they cost next to no time.

    Attributes:
        digest: SHA-256 of all chunks so far.
        crc: their CRC-32.
        size: how many bytes they have.
    """

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.crc = 0
        self.size = 0

    def taken(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Give chunks on, and take each of them into the sums; they are whole after the last one."""
        with ThreadPoolExecutor(max_workers=1) as beside:
            before = beside.submit(int)
            for chunk in chunks:
                before.result()
                before = beside.submit(self._take, chunk)
                yield chunk

    def _take(self, chunk: bytes) -> int:
        self.digest.update(chunk)
        self.crc = zlib.crc32(chunk, self.crc)
        self.size += len(chunk)
        return self.crc
