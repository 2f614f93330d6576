"""What a file is, by its beginning and its end: what is no bundle is not a changed bundle."""

from __future__ import annotations

import os
import re
from typing import IO

LOOKED_AT = 1 << 16
PACK_MARK = re.compile(rb'"v"\s*:\s*"broadcaster/evidence/')
TEXT_MARKS = {
    "receipt": re.compile(rb"c2sp\.org/tlog-proof@"),
    "checkpoint": re.compile(rb"[^\r\n]+\r?\n[0-9]{1,19}\r?\n[A-Za-z0-9+/]{43}=\r?\n"),
    "key": re.compile(rb"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*\s*\Z"),
    "table": re.compile(
        rb'"?index"?[,;\t]"?recorded"?[,;\t]|\{[^\r\n]*"v":"broadcaster/(?:consent|document)/'
    ),
    "page": re.compile(rb"%PDF-|<!doctype html|<html", re.IGNORECASE),
}
ADVICE = {
    "receipt": (
        "is a receipt, which this program does not check. The page /verify of whoever gave it to "
        "you does, and Broadcaster: python -m broadcaster.ledger verify FILE --vkey KEY"
    ),
    "checkpoint": (
        "is a checkpoint. It shows whether a bundle only added to what was there before: give the "
        "bundle as FILE, and this with --since"
    ),
    "key": "is a log's public key. Give what the log has signed as FILE, and this with --vkey",
    "table": (
        "holds entries of a ledger as a table (CSV, JSONL or xlsx), without the proofs that it "
        "takes to check them. Ask for a bundle: broadcaster ledger export --format bundle"
    ),
    "page": (
        "is a page or a PDF, to be read. What can be checked is the same evidence as JSON: ask for "
        "that"
    ),
    "empty": "is empty: making or fetching it was broken off. Make or fetch it again",
    "unknown": (
        "is no file of Broadcaster, as far as can be told. What can be checked here is a bundle "
        "(.zip) or an evidence pack (.json)"
    ),
}


def kind_of(file: IO[bytes]) -> str:
    """Tell what a file is, as far as either end says; it is left at its beginning."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - LOOKED_AT))
    tail = file.read(LOOKED_AT)
    file.seek(0)
    head = file.read(LOOKED_AT)
    file.seek(0)
    if not head:
        return "empty"
    begins, ends = head[:4] + head[30:40] == b"PK\x03\x04checkpoint", b"PK\x05\x06" in tail[-98:]
    if begins or (ends and b"entries.jsonl" in tail and b"manifest.json" in tail):
        return "bundle"
    if ends and b"[Content_Types].xml" in tail and b"xl/" in tail:
        return "table"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{") and (PACK_MARK.search(text) or PACK_MARK.search(tail)):
        return "pack"
    return next((name for name, form in TEXT_MARKS.items() if form.match(text)), "unknown")
