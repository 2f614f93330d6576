"""The manifest of a bundle: which log it shows, and every other file with its length and hash."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from broadcaster.ledger import canonical
from broadcaster.ledger.errors import BundleError, CanonicalError

VERSION = "broadcaster/bundle/1"
CHECKPOINT = "checkpoint"
VKEY = "vkey"
ENTRIES = "entries.jsonl"
MANIFEST = "manifest.json"
NOTICES = "notices/"
TERMS = "terms/"
_HASH = re.compile(r"[0-9a-f]{64}")
_DOCUMENT = re.compile(r"(?:notices|terms)/[0-9a-f]{64}")
_FIELDS = {"v", "origin", "size", "root", "files"}
_FILE_FIELDS = {"name", "sha256", "length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What the manifest says of one file."""

    name: str
    sha256: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle holds.

    Attributes:
        origin: The log's name.
        size: Number of entries.
        root: Root hash, in hex.
        files: Every file but the manifest, in the order of the bundle.
    """

    origin: str
    size: int
    root: str
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
    return Manifest(origin=value["origin"], size=value["size"], root=value["root"], files=files)


def check_names(names: Sequence[str]) -> None:
    """Check that these are the files of a bundle, in their order, and no others.

    Raises:
        BundleError: one is missing, unknown, there twice or in the wrong place.
    """
    documents = names[2:-2]
    for name in documents:
        if not _DOCUMENT.fullmatch(name):
            message = f"{name!a} has no place in a bundle, or not this one"
            raise BundleError(message)
    expected = [CHECKPOINT, VKEY, *sorted(set(documents)), ENTRIES, MANIFEST]
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
        and isinstance(value["files"], list)
        and all(_is_file(file) for file in value["files"])
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
