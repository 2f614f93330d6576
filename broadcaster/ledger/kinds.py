"""What a file is, told from its beginning and its end: what is no bundle is not a changed bundle."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import IO

from broadcaster.ledger.manifest import CHECKPOINT, ENTRIES, MANIFEST

# The first file of a bundle begins here; its end records are no longer than this.
_FIRST_NAME, _END = 30, 98
# A line of an export has at most 64 KiB, a comment in a zip too.
_LOOKED_AT = 65_536
_FIRST_RECORD, _END_RECORD = b"PK\x03\x04", b"PK\x05\x06"
_BLANK = b"\xef\xbb\xbf \t\r\n"
# Inside of a text of another JSON, each of these quotation marks has a backslash before it.
_PACK = re.compile(rb'"v"\s*:\s*"broadcaster/evidence/')
_TEXTS = {
    "receipt": re.compile(rb"c2sp\.org/tlog-proof@"),
    "checkpoint": re.compile(rb"[^\r\n]+\r?\n[0-9]{1,19}\r?\n[A-Za-z0-9+/]{43}=\r?\n"),
    "key": re.compile(rb"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*\s*\Z"),
    "table": re.compile(
        rb'"?index"?[,;\t]"?recorded"?[,;\t]|\{[^\r\n]*"v":"broadcaster/(?:consent|document)/'
    ),
    "page": re.compile(rb"%PDF-|<!doctype html|<html", re.IGNORECASE),
}


class Kind(StrEnum):
    """What somebody may give to be checked."""

    BUNDLE = "bundle"
    RECEIPT = "receipt"
    PACK = "pack"
    CHECKPOINT = "checkpoint"
    KEY = "key"
    TABLE = "table"
    PAGE = "page"
    EMPTY = "empty"
    UNKNOWN = "unknown"


#: What can be checked, also where it was changed.
CHECKED = frozenset({Kind.BUNDLE, Kind.RECEIPT, Kind.PACK})
#: What a file of any other kind is, and what to do instead; its name stands before it.
ADVICE: Mapping[Kind, str] = {
    Kind.CHECKPOINT: (
        "is a checkpoint. It shows whether a bundle only added to what was there before: give the "
        "bundle as FILE, and this with --since"
    ),
    Kind.KEY: "is a log's public key. Give what the log has signed as FILE, and this with --vkey",
    Kind.TABLE: (
        "holds entries of a ledger as a table (CSV, JSONL or xlsx), without the proofs that it "
        "takes to check them. Have a bundle made: broadcaster ledger export --format bundle"
    ),
    Kind.PAGE: (
        "is a page or a PDF, to be read. What can be checked is the same evidence as JSON: "
        "broadcaster people evidence --format json"
    ),
    Kind.EMPTY: "is empty: making or fetching it was broken off. Make or fetch it again",
    Kind.UNKNOWN: (
        "is no file of Broadcaster, as far as can be told. What can be checked is a bundle (.zip), "
        "a receipt (.tlog-proof) or an evidence pack (.json)"
    ),
}


def recognise(file: IO[bytes]) -> Kind:
    """Tell what a file is, as far as its beginning and end say; it is left at its beginning.

    What is a bundle, a receipt or a pack by either end is called so: whether it is whole is for
    the verification to say.

    Args:
        file: The file, seekable.

    Raises:
        OSError: the file cannot be read.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _LOOKED_AT))
    tail = file.read(_LOOKED_AT)
    file.seek(0)
    head = file.read(_LOOKED_AT)
    file.seek(0)
    if not head:
        return Kind.EMPTY
    return _of_zip(head, tail) or _of_text(head.lstrip(_BLANK), tail)


def _of_zip(head: bytes, tail: bytes) -> Kind | None:
    has_end = _END_RECORD in tail[-_END:]
    begins = head.startswith(_FIRST_RECORD) and head[_FIRST_NAME:].startswith(CHECKPOINT.encode())
    if begins or (has_end and ENTRIES.encode() in tail and MANIFEST.encode() in tail):
        return Kind.BUNDLE
    if has_end and b"[Content_Types].xml" in tail and b"xl/" in tail:
        return Kind.TABLE
    return None


def _of_text(head: bytes, tail: bytes) -> Kind:
    if head.startswith(b"{") and (_PACK.search(head) or _PACK.search(tail)):
        return Kind.PACK
    found = (name for name, form in _TEXTS.items() if form.match(head))
    return Kind(next(found, Kind.UNKNOWN.value))
