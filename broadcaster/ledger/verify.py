"""Verification of a bundle, step by step; the first step that fails ends it.

What a bundle proves depends on what the reader brings: alone it proves that it is consistent; with
the log's key, that the log signed it; with an older checkpoint, that nothing before it was changed.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.entry import DocumentKind
from broadcaster.ledger.errors import (
    BundleError,
    CheckpointError,
    Fork,
    LedgerError,
    MalformedKey,
    RootMismatch,
)
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.keys import NoteKey, parse_vkey
from broadcaster.ledger.manifest import (
    CHECKPOINT,
    MAIN,
    NOTICES,
    TERMS,
    VERIFIER,
    VKEY,
    Manifest,
    Part,
)
from broadcaster.ledger.part import LIMITS, PartReading, check_inclusion, check_scope, read_part
from broadcaster.ledger.reading import Reading, read_entries
from broadcaster.ledger.report import Report, Step
from broadcaster.ledger.shipped import STARTER, remark
from broadcaster.ledger.unbundle import Bundle

# From how many bytes of entries on more than one process reads them.
_MANY_BYTES = 16 * 1024 * 1024
_FOLDERS = {DocumentKind.NOTICE: NOTICES, DocumentKind.TERMS: TERMS}


def verify_bundle(
    file: BinaryIO,
    *,
    vkey: NoteKey | None = None,
    since: bytes | None = None,
    helpers: int = 0,
) -> Report:
    """Verify a bundle.

    Args:
        file: The bundle, seekable.
        vkey: The log's key, got from somewhere else than the bundle.
        since: A checkpoint kept from earlier.
        helpers: How many processes may read its entries, where it has many: copies of this one,
            which must be without other threads then. With less than two, and where processes cannot
            be copied, this one reads them.

    Returns:
        The steps: bundle, manifest, key, checkpoint, anchor (with `since`), entries, size, root,
        documents, histories, and extension (with `since`). A part of a log has inclusion and part
        instead of size, root and extension.

    Raises:
        OSError: the file cannot be read.
    """
    with Histories() as histories:
        return _Verification(file, vkey, since, histories, helpers).run()


class _Verification:
    """One run. Each step leaves behind what later steps need."""

    _bundle: Bundle
    _manifest: Manifest
    _key: NoteKey
    _note: bytes
    _head: Checkpoint
    _old: Checkpoint
    _reading: Reading
    _shown: PartReading

    def __init__(
        self,
        file: BinaryIO,
        vkey: NoteKey | None,
        since: bytes | None,
        histories: Histories,
        helpers: int,
    ) -> None:
        self._file = file
        self._trusted = vkey
        self._since = since
        self._histories = histories
        self._helpers = helpers
        self._remarks: list[str] = []

    def run(self) -> Report:
        steps: list[Step] = []
        for name, check in self._checks():
            try:
                steps.append(Step(name=name, ok=True, detail=check()))
            except LedgerError as error:
                steps.append(_failed(name, error))
                break
        return Report(steps=tuple(steps), remarks=tuple(self._remarks))

    def _checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        anchored = self._since is not None
        yield "bundle", self._open
        yield "manifest", self._check_manifest
        yield "key", self._check_key
        yield "checkpoint", self._check_checkpoint
        # From here on it is known what the bundle holds.
        if anchored:
            yield "anchor", self._check_anchor
        if self._manifest.part is None:
            yield "entries", self._check_entries
            yield "size", self._check_size
            yield "root", self._check_root
        else:
            yield "entries", self._check_part_entries
            yield "inclusion", self._check_inclusion
            yield "part", partial(self._check_part, self._manifest.part)
        yield "documents", self._check_documents
        yield "histories", self._check_histories
        if anchored and self._manifest.part is None:
            yield "extension", self._check_extension

    def _open(self) -> str:
        self._bundle = Bundle(self._file)
        return f"{len(self._bundle.names)} files, in exactly the form bundles have"

    def _check_manifest(self) -> str:
        self._manifest = self._bundle.read_manifest()
        if self._bundle.read(MAIN) != STARTER:
            message = f"{MAIN} is not the one that every bundle has; do not run it"
            raise BundleError(message)
        if said := remark(self._bundle.read(VERIFIER)):
            self._remarks.append(said)
        return f"lists every file, for the log '{self._manifest.origin}'"

    def _check_key(self) -> str:
        text = self._bundle.read(VKEY).decode("utf-8", "replace")
        if not text.endswith("\n"):
            message = "the bundle's key does not end in a line feed"
            raise MalformedKey(message)
        self._key = parse_vkey(text[:-1])
        if self._trusted is None:
            return (
                "taken from the bundle itself, so this shows that the bundle is consistent, not who "
                f"signed it; compare its fingerprint with the log's: {self._key.fingerprint}"
            )
        if self._trusted != self._key:
            message = (
                f"the bundle's key ({self._key.fingerprint}) is not the one given "
                f"({self._trusted.fingerprint})"
            )
            raise MalformedKey(message)
        return f"the one given, fingerprint {self._key.fingerprint}"

    def _check_checkpoint(self) -> str:
        self._note = self._bundle.read(CHECKPOINT)
        self._head = open_checkpoint(self._note, self._key)
        said = (self._manifest.origin, self._manifest.size, self._manifest.root)
        if said != (self._head.origin, self._head.size, self._head.root.hex()):
            message = "the manifest and the checkpoint name different logs, sizes or roots"
            raise BundleError(message)
        return f"signed by its log, size {self._head.size}, root {self._head.root.hex()}"

    def _check_anchor(self) -> str:
        self._old = open_checkpoint(self._since or b"", self._key)
        if self._manifest.part is not None:
            return self._check_anchor_of_part()
        if self._head.size < self._old.size:
            message = (
                f"the bundle is shorter than the anchor: {_entries(self._head.size)} now, "
                f"{self._old.size} in the older checkpoint"
            )
            raise Fork(message, evidence=(self._since or b"", self._note))
        return f"the older checkpoint is signed by the same key, size {self._old.size}"

    def _check_anchor_of_part(self) -> str:
        if self._old.size != self._head.size:
            message = (
                "a part of a log cannot show that history was only extended; compare the older "
                "checkpoint with the whole bundle"
            )
            raise BundleError(message)
        if self._old.root != self._head.root:
            message = (
                f"history was rewritten: two checkpoints over {_entries(self._old.size)} have "
                "different roots; the two below prove it"
            )
            raise Fork(message, evidence=(self._since or b"", self._note))
        return f"the older checkpoint says the same, size {self._old.size}"

    def _check_entries(self) -> str:
        anchor = self._old.size if self._since is not None else 0
        many = self._bundle.entries_size > _MANY_BYTES
        if many and self._helpers > 1 and sys.platform == "linux":
            self._reading = self._read_with_help(anchor)
        else:
            self._reading = read_entries(self._bundle, self._histories, anchor=anchor)
        return f"{_entries(self._reading.size)}, each canonical and well formed"

    def _read_with_help(self, anchor: int) -> Reading:
        # Not everywhere can processes talk to each other, and few bundles are worth it.
        from broadcaster.ledger.sharing import Helpers, read_shared  # noqa: PLC0415

        with Helpers(self._file.fileno(), self._helpers) as helpers:
            if not helpers.connections:
                return read_entries(self._bundle, self._histories, anchor=anchor)
            return read_shared(self._bundle, helpers.connections, self._histories, anchor=anchor)

    def _check_size(self) -> str:
        if self._reading.size != self._head.size:
            message = f"the checkpoint is over {self._head.size}, the bundle has {_entries(self._reading.size)}"
            raise CheckpointError(message)
        return f"{_entries(self._head.size)}, as the checkpoint says"

    def _check_root(self) -> str:
        if self._reading.root != self._head.root:
            message = "the entries lead to another root than the one signed"
            raise RootMismatch(message, expected=self._head.root, calculated=self._reading.root)
        return "calculated from the entries, and the one signed"

    def _check_part_entries(self) -> str:
        self._reading = self._shown = read_part(self._bundle, self._histories)
        return f"{_entries(self._shown.count)} of {self._head.size}, each canonical and well formed"

    def _check_inclusion(self) -> str:
        check_inclusion(self._bundle, self._head)
        return "each entry is in the log that was signed, by its proof"

    def _check_part(self, part: Part) -> str:
        check_scope(self._bundle, part, self._shown)
        self._remarks.append(LIMITS[part.kind])
        return f"nothing but the {part.kind} '{part.name}' and the documents it names"

    def _check_documents(self) -> str:
        names = [name for name in self._bundle.names if name.startswith((NOTICES, TERMS))]
        for name in names:
            self._check_document(name)
        named = {_FOLDERS[kind] + digest for kind, digest in self._reading.named}
        if missing := named.difference(names):
            message = f"an entry names {min(missing)}, which is not in the bundle"
            raise BundleError(message)
        logged = {_FOLDERS[kind] + digest for kind, digest in self._reading.logged}
        if foreign := set(names) - named - logged:
            message = f"no entry knows {min(foreign)}"
            raise BundleError(message)
        return (
            f"{len(names)} notices and terms, each with the hash that entries name; "
            f"{len(logged.intersection(names))} of them logged with their full text"
        )

    def _check_document(self, name: str) -> None:
        if hashlib.sha256(self._bundle.read(name)).hexdigest() != name.partition("/")[2]:
            message = f"{name} has not the hash in its name"
            raise BundleError(message)

    def _check_histories(self) -> str:
        part = self._manifest.part
        if part is not None and part.kind == "list":
            subjects = self._histories.check(gaps=True)
            return f"{_people(subjects)}, no entry naming one that cannot be the one before"
        return f"{_people(self._histories.check())}, each entry naming the one before"

    def _check_extension(self) -> str:
        if self._reading.anchor_root != self._old.root:
            message = (
                f"history was rewritten: the first {_entries(self._old.size)} do not lead to the "
                "older checkpoint; the two checkpoints below prove it"
            )
            raise Fork(message, evidence=(self._since or b"", self._note))
        return f"the first {_entries(self._old.size)} are those of the older checkpoint"


def _failed(name: str, error: LedgerError) -> Step:
    notes = error.evidence if isinstance(error, Fork) else ()
    evidence = tuple(note.decode("utf-8") for note in notes)
    return Step(name=name, ok=False, detail=str(error), evidence=evidence)


def _entries(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"


def _people(count: int) -> str:
    return f"{count} subject" if count == 1 else f"{count} subjects"
