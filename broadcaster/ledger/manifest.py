"""The manifest of a bundle: which log it shows, how much, and every other file with its hash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broadcaster.ledger import canonical
from broadcaster.ledger.errors import BundleError, CanonicalError
from broadcaster.ledger.fields import NAME, SUBJECT

VERSION = "broadcaster/bundle/1"
CHECKPOINT = "checkpoint"
VKEY = "vkey"
#: What ``python3 ledger.zip`` runs: it starts the verifier beside it.
MAIN = "__main__.py"
VERIFIER = "verify.py"
ENTRIES = "entries.jsonl"
PROOFS = "proofs.jsonl"
MANIFEST = "manifest.json"
NOTICES = "notices/"
TERMS = "terms/"
#: The files whose size is not known when they are begun.
STREAMED = frozenset({ENTRIES, PROOFS})
_FIRST = (CHECKPOINT, VKEY, MAIN, VERIFIER)
_HASH = re.compile(r"[0-9a-f]{64}")
_DOCUMENT = re.compile(r"(?:notices|terms)/[0-9a-f]{64}")
_PARTS = {"subject": SUBJECT, "list": NAME}
_FIELDS = {"v", "origin", "size", "root", "part", "files"}
_FILE_FIELDS = {"name", "sha256", "length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What the manifest says of one file."""

    name: str
    sha256: str
    length: int


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a log a bundle shows.

    Attributes:
        kind: "subject" for one person, "list" for one list.
        name: The subject's id, or the list's.

    Raises:
        BundleError: there is no such kind, or nothing can have such a name.
    """

    kind: str
    name: str

    def __post_init__(self) -> None:
        form = _PARTS.get(self.kind)
        if form is None or not form.fullmatch(self.name):
            message = "a part of a log is that of one subject (32 hex digits) or of one list"
            raise BundleError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle holds.

    Attributes:
        origin: The log's name.
        size: Number of entries of the log.
        root: Root hash, in hex.
        part: Which part of the log it shows; None for all of it.
        files: Every file but the manifest, in the order of the bundle.
    """

    origin: str
    size: int
    root: str
    part: Part | None = None
    files: tuple[FileRecord, ...]

    def to_bytes(self) -> bytes:
        """Give the canonical JSON of the manifest."""
        files = [
            {"name": file.name, "sha256": file.sha256, "length": file.length} for file in self.files
        ]
        return canonical.encode(
            {
                "v": VERSION,
                "origin": self.origin,
                "size": self.size,
                "root": self.root,
                "part": None if self.part is None else {self.part.kind: self.part.name},
                "files": files,
            }
        )


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: it is not what `Manifest.to_bytes` writes.
    """
    try:
        value = canonical.parse(data)
    except CanonicalError as error:
        message = f"the manifest is {error}"
        raise BundleError(message) from error
    if not _is_manifest(value):
        message = "the manifest has missing, unknown or ill-formed fields, or another version"
        raise BundleError(message)
    files = tuple(FileRecord(**file) for file in value["files"])
    part = None if value["part"] is None else Part(*next(iter(value["part"].items())))
    return Manifest(
        origin=value["origin"], size=value["size"], root=value["root"], part=part, files=files
    )


def check_names(names: Sequence[str]) -> None:
    """Check that these are the files of a bundle, in their order, and no others.

    Raises:
        BundleError: one is missing, unknown, there twice or in the wrong place.
    """
    last = [ENTRIES, PROOFS, MANIFEST] if PROOFS in names else [ENTRIES, MANIFEST]
    documents = names[len(_FIRST) : -len(last)]
    for name in documents:
        if not _DOCUMENT.fullmatch(name):
            message = f"{name!a} has no place in a bundle, or not this one"
            raise BundleError(message)
    expected = [*_FIRST, *sorted(set(documents)), *last]
    if list(names) != expected:
        message = "files are missing, there twice or in the wrong order"
        raise BundleError(message)


def _is_manifest(value: Any) -> bool:  # noqa: ANN401 - JSON has any shape
    return (
        isinstance(value, dict)
        and value.keys() == _FIELDS
        and value["v"] == VERSION
        and isinstance(value["origin"], str)
        and type(value["size"]) is int
        and _is_hash(value["root"])
        and _is_part(value["part"])
        and isinstance(value["files"], list)
        and all(_is_file(file) for file in value["files"])
    )


def _is_part(value: Any) -> bool:  # noqa: ANN401 - JSON has any shape
    if value is None:
        return True
    return (
        isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), str)
    )


def _is_file(value: Any) -> bool:  # noqa: ANN401 - JSON has any shape
    return (
        isinstance(value, dict)
        and value.keys() == _FILE_FIELDS
        and isinstance(value["name"], str)
        and type(value["length"]) is int
        and _is_hash(value["sha256"])
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None
