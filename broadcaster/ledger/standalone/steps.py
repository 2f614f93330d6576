"""The verification, step by step; the first step that fails ends it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import IO, Any, Callable, NamedTuple

from broadcaster.ledger.standalone.container import ENTRIES, MAX_DOCUMENTS, STARTER, Bundle
from broadcaster.ledger.standalone.histories import Histories
from broadcaster.ledger.standalone.notes import Checkpoint, Key, read_checkpoint, read_key, sha256
from broadcaster.ledger.standalone.refusal import Refused, need, refuse
from broadcaster.ledger.standalone.rules import read_entry
from broadcaster.ledger.standalone.tree import Tree, proven_root

FOLDERS = {"notice": "notices/", "terms": "terms/", "config": "register/"}
LIMITS = {
    "subject": (
        "this is the part of the log that is about one person. Nothing before the last entry here "
        "is left out, since each names the one before; whether another came after it, only the "
        "whole log can show"
    ),
    "list": (
        "this is the part of the log that is about one list. Each entry is proven; that none is "
        "left out, only the whole log can show"
    ),
}


class Step(NamedTuple):
    """A step: its name, whether it held, what was found, and checkpoints that contradict."""

    name: str
    ok: bool
    detail: str
    evidence: list[str]


Check = Callable[[], str]


def taken(name: str, check: Check) -> Step:
    """Take a step."""
    try:
        return Step(name, ok=True, detail=check(), evidence=[])
    except Refused as wrong:
        return Step(name, ok=False, detail=str(wrong), evidence=wrong.evidence)


def taken_in_order(checks: Iterable[tuple[str, Check]]) -> list[Step]:
    """Take steps up to the first that fails."""
    steps = []
    for name, check in checks:
        steps.append(taken(name, check))
        if not steps[-1].ok:
            break
    return steps


def read_same_key(what: str, text: str, given: Key | None) -> tuple[Key, str]:
    """Read the key that a file brings, which must be the one given; and say where it is from."""
    key = read_key(text)
    if given is None:
        return key, (
            f"taken from the {what} itself, so this shows that the {what} is consistent, not who "
            f"signed it; compare its fingerprint with the log's: {key.fingerprint}"
        )
    other = f"the {what}'s key ({key.fingerprint}) is not the one given ({given.fingerprint})"
    need(given == key, other)
    return key, f"the one given, fingerprint {key.fingerprint}"


class Verification:
    """One run. Each step leaves behind what later steps need."""

    bundle: Bundle
    manifest: dict[str, Any]
    key: Key
    note: bytes
    head: Checkpoint
    old: Checkpoint

    def __init__(self, file: IO[bytes], vkey: Key | None, since: bytes | None) -> None:
        self.file, self.vkey, self.since = file, vkey, since
        self.tree, self.old_root = Tree(), hashlib.sha256(b"").digest()
        self.named: set[str] = set()
        self.logged: set[str] = set()
        self.remarks: list[str] = []
        self.histories = Histories()

    def run(self) -> list[Step]:
        """Take the steps."""
        with self.histories.stack:
            return taken_in_order(self._checks())

    def _checks(self) -> Iterator[tuple[str, Check]]:
        """Give the steps; which ones there are depends on what the bundle holds."""
        yield "bundle", self._check_bundle
        yield "manifest", self._check_manifest
        yield "key", self._check_key
        yield "checkpoint", self._check_checkpoint
        part = self.manifest["part"]
        if self.since is not None:
            yield "anchor", partial(self._check_anchor, part)
        if part is None:
            yield "entries", self._check_entries
            yield "size", self._check_size
            yield "root", self._check_root
        else:
            ((kind, name),) = part.items()
            yield "entries", self._check_part_entries
            yield "inclusion", self._check_inclusion
            yield "part", partial(self._check_part, kind, name)
        yield "documents", self._check_documents
        yield "histories", self._check_histories
        if self.since is not None and part is None:
            yield "extension", self._check_extension

    def _check_bundle(self) -> str:
        self.bundle = Bundle(self.file)
        return f"{len(self.bundle.members)} files, in exactly the form bundles have"

    def _check_manifest(self) -> str:
        self.manifest = self.bundle.read_manifest()
        starter = self.bundle.read("__main__.py")
        need(starter == STARTER, "__main__.py is not the one that every bundle has; do not run it")
        self.bundle.read("verify.py")
        return f"lists every file, for the log '{self.manifest['origin']}'"

    def _check_key(self) -> str:
        text = self.bundle.read("vkey").decode("utf-8", "replace")
        need(text.endswith("\n"), "the bundle's key does not end in a line feed")
        self.key, said = read_same_key("bundle", text[:-1], self.vkey)
        return said

    def _check_checkpoint(self) -> str:
        self.note = self.bundle.read("checkpoint")
        self.head = read_checkpoint(self.note, self.key)
        said = (self.manifest["origin"], self.manifest["size"], self.manifest["root"])
        same = said == (self.key.name, self.head.size, self.head.root.hex())
        need(same, "the manifest and the checkpoint name different logs, sizes or roots")
        return f"signed by its log, size {self.head.size}, root {self.head.root.hex()}"

    def _check_anchor(self, part: object) -> str:
        self.old = read_checkpoint(self.since or b"", self.key)
        both = (self.since or b"", self.note)
        if part is not None:
            need(
                self.old.size == self.head.size,
                "a part of a log cannot show that history was only extended; compare the older "
                "checkpoint with the whole bundle",
            )
            if self.old.root != self.head.root:
                refuse("history was rewritten: the two checkpoints below prove it", both)
            return f"the older checkpoint says the same, size {self.old.size}"
        if self.head.size < self.old.size:
            sizes = f"{self.head.size} entries now, {self.old.size} in the older checkpoint"
            refuse(f"the bundle is shorter than the anchor: {sizes}", both)
        return f"the older checkpoint is signed by the same key, size {self.old.size}"

    def _check_entries(self) -> str:
        anchor = 0 if self.since is None else self.old.size
        for leaf in self.bundle.lines(ENTRIES):
            self._note_entry(self.tree.size, leaf)
            self.tree.grow(leaf)
            if self.tree.size == anchor:
                self.old_root = self.tree.root()
        return f"{self.tree.size} entries, each canonical and well formed"

    def _check_size(self) -> str:
        sizes = f"the checkpoint is over {self.head.size}, the bundle has {self.tree.size} entries"
        need(self.tree.size == self.head.size, sizes)
        return f"{self.head.size} entries, as the checkpoint says"

    def _check_root(self) -> str:
        need(self.tree.root() == self.head.root, "the entries lead to another root than the signed")
        return "calculated from the entries, and the one signed"

    def _check_part_entries(self) -> str:
        count = 0
        for index, _proof, leaf in self.bundle.proven():
            self._note_entry(index, leaf)
            count += 1
        return f"{count} entries of {self.head.size}, each canonical and well formed"

    def _check_inclusion(self) -> str:
        for index, proof, leaf in self.bundle.proven():
            root = proven_root(index, self.head.size, leaf, proof)
            need(root == self.head.root, f"entry {index}: the proof leads to another root")
        return "each entry is in the log that was signed, by its proof"

    def _check_part(self, kind: str, name: str) -> str:
        about = 0
        for index, _proof, leaf in self.bundle.proven():
            entry = read_entry(leaf)
            if "subject" in entry:
                about += 1
                belongs = entry[kind] == name or (kind, entry[kind]) == ("list", "*")
            else:
                belongs = FOLDERS[entry["kind"]] + entry["sha256"] in self.named
            need(belongs, f"entry {index} does not belong to the {kind} '{name}'")
        need(about, f"it holds no entry of the {kind} '{name}'")
        self.remarks.append(LIMITS[kind])
        return f"nothing but the {kind} '{name}' and the documents it names"

    def _check_documents(self) -> str:
        names = {name for name in self.bundle.members if name.startswith(("notices/", "terms/"))}
        for name in names:
            hashed = sha256(self.bundle.read(name)) == name.partition("/")[2]
            need(hashed, f"{name} has not the hash in its name")
        files = {name for name in self.named if not name.startswith(FOLDERS["config"])}
        missing, foreign = files - names, names - self.named - self.logged
        need(not missing, f"an entry names {min(missing, default='')}, which is not in the bundle")
        need(not foreign, f"no entry knows {min(foreign, default='')}")
        return f"{len(names)} notices and terms, each with the hash that entries name"

    def _check_histories(self) -> str:
        part = self.manifest["part"] or {}
        subjects = self.histories.check(gaps="list" in part)
        return f"{subjects} subjects, each entry naming one that can be the one before"

    def _check_extension(self) -> str:
        if self.old_root != self.old.root:
            what = (
                f"history was rewritten: the first {self.old.size} entries do not lead to the older "
                "checkpoint; the two checkpoints below prove it"
            )
            refuse(what, (self.since or b"", self.note))
        return f"the first {self.old.size} entries are those of the older checkpoint"

    def _note_entry(self, index: int, leaf: bytes) -> None:
        """Read an entry, and remember whom it is about and which documents it names or is."""
        try:
            entry = read_entry(leaf)
        except Refused as wrong:
            refuse(f"entry {index}: {wrong}")
        if "subject" not in entry:
            if entry["kind"] != "config":
                self.logged.add(FOLDERS[entry["kind"]] + entry["sha256"])
        else:
            self.histories.add(index, entry)
            for kind in ("notice", "terms"):
                if entry[kind] is not None:
                    self.named.add(FOLDERS[kind] + entry[kind]["sha256"])
            if self.manifest["part"] is not None:
                self.named.add(FOLDERS["config"] + entry["config"])
        many = max(len(self.named), len(self.logged)) > MAX_DOCUMENTS
        need(not many, f"the entries name more than {MAX_DOCUMENTS:,} documents")
