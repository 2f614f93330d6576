"""The verification of an evidence pack: what there is about one person's consent, in one JSON."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import IO, Any

from broadcaster.ledger.standalone.container import LONGEST_PROOF
from broadcaster.ledger.standalone.notes import (
    HASH_BYTES,
    Checkpoint,
    Key,
    from_base64,
    read_checkpoint,
)
from broadcaster.ledger.standalone.refusal import need, refuse
from broadcaster.ledger.standalone.rules import HASH, MAX_NUMBER, MOMENT, check_moment, read_entry
from broadcaster.ledger.standalone.steps import Step, read_same_key, taken_in_order
from broadcaster.ledger.standalone.tree import proven_root

PACK_VERSION, MAX_PACK, DEEPEST = "broadcaster/evidence/1", 256 << 20, 64


class PackVerification:
    """One run. Each step leaves behind what later steps need."""

    pack: dict[str, Any]
    key: Key
    head: Checkpoint

    def __init__(self, file: IO[bytes], vkey: Key | None) -> None:
        self.file, self.vkey = file, vkey
        self.consents: dict[int, dict[str, Any]] = {}
        self.private: dict[int, dict[str, Any]] = {}
        self.remarks: list[str] = []

    def run(self) -> list[Step]:
        """Take the steps."""
        return taken_in_order(
            [
                ("pack", self._read),
                ("key", self._check_key),
                ("checkpoint", self._check_checkpoint),
                ("entries", self._check_entries),
                ("history", self._check_history),
                ("documents", self._check_documents),
                ("private parts", self._check_private_parts),
                ("messages", self._check_messages),
            ]
        )

    def _read(self) -> str:
        self.pack = read_pack(self.file.read(MAX_PACK + 1))
        whole = "everything" if self.pack["complete"] else "one message"
        return f"about {whole} of subject {self.pack['subject']}"

    def _check_key(self) -> str:
        self.key, said = read_same_key("pack", self.pack["vkey"], self.vkey)
        return said

    def _check_checkpoint(self) -> str:
        note = self.pack["checkpoint"].encode("utf-8", "surrogatepass")
        self.head = read_checkpoint(note, self.key)
        return f"signed by '{self.key.name}', size {self.head.size}"

    def _check_entries(self) -> str:
        last = -1
        for index, entry, private in self._proven("entries"):
            need(index > last, f"entry {index} is out of order")
            theirs = entry.get("subject") == self.pack["subject"]
            need(theirs, f"entry {index} is not of this subject")
            last, self.consents[index] = index, entry
            if private is not None:
                self.private[index] = private
        return f"{len(self.consents)} entries, each of this subject and in the log that was signed"

    def _check_history(self) -> str:
        if not self.pack["complete"]:
            return "not asked for: the pack is about one message"
        before = None
        for index, entry in self.consents.items():
            what = f"entry {index} names another entry before it than the pack has"
            need(entry["prev"] == before, what)
            before = index
        return "each entry names the one before it; newer ones the pack cannot rule out"

    def _check_documents(self) -> str:
        logged = set()
        for index, entry, _private in self._proven("documents"):
            need("subject" not in entry, f"entry {index} is no document")
            logged.add(entry["sha256"])
        for index, entry in self.consents.items():
            named = {
                entry["config"],
                *[text["sha256"] for text in (entry["notice"], entry["terms"]) if text],
            }
            need(named <= logged, f"entry {index} names a document that is not in the pack")
        return f"{len(logged)}, each in the log, and every one that an entry names is among them"

    def _check_private_parts(self) -> str:
        if self.pack["key"] is None:
            need(not self.private, "there are private parts, and no key that binds them to entries")
            return "none in it, and no key: what people wrote was masked, or has been erased"
        for index, private in self.private.items():
            found = commitment(bytes.fromhex(self.pack["key"]), private)
            what = f"the private part of entry {index} is not what the entry commits to"
            need(found == self.consents[index]["evidence"], what)
        wrote = [
            (one.get("sid"), one.get(kind))
            for one in self.private.values()
            for kind in ("body", "button")
        ]
        for text in self.pack["texts"]:
            said = (field(text, "sid", str), text.get("words"))
            known = said[1] is None or said in wrote
            need(known, "the words of a text are not those that an entry commits to")
        return f"{len(self.private)} of {len(self.consents)}, each what its entry commits to"

    def _check_messages(self) -> str:
        named = [one for one in self.pack["messages"] if field(one, "entry", int, None) is not None]
        for one in self.pack["messages"]:
            field(one, "handed", str, None)
        for one in named:
            index, handed, entry = one["entry"], one.get("handed"), self.consents.get(one["entry"])
            allows = entry and entry["state"] == "given" and entry["list"] == one.get("list")
            need(
                allows, f"a message names entry {index}, which does not put this person on its list"
            )
            if entry and handed is not None:
                need(MOMENT.fullmatch(handed), "the field 'handed' has not the form it must have")
                check_moment("handed", handed)
                late = f"a message was handed over before entry {index}, which is to allow it"
                need(entry["recorded"] <= handed, late)
        return (
            f"{len(named)} name an entry that allows them; that they were sent is the maker's word"
        )

    def _proven(self, name: str) -> Iterator[tuple[int, dict[str, Any], dict[str, Any] | None]]:
        """Give index, entry and private part of what a pack shows, each proven first."""
        for one in self.pack[name]:
            given = field(one, "proof", list)
            proof = [from_base64(item) or b"" for item in given if isinstance(item, str)]
            formed = len(proof) == len(given) <= LONGEST_PROOF
            formed = formed and all(len(item) == HASH_BYTES for item in proof)
            need(formed, "a proof is a list of at most 63 hashes in base64")
            index, leaf = field(one, "index", int), as_utf8(field(one, "leaf", str))
            root = proven_root(index, self.head.size, leaf, proof)
            need(root == self.head.root, f"entry {index}: the proof leads to another root")
            yield index, read_entry(leaf), field(one, "private", dict, None)


def read_pack(data: bytes) -> dict[str, Any]:
    """Read a pack, and refuse what has not its form."""
    need(len(data) <= MAX_PACK, f"a pack has at most {MAX_PACK:,} bytes")
    try:
        pack = json.loads(data, object_pairs_hook=named_once)
    except (ValueError, RecursionError):
        refuse("a pack is JSON in UTF-8")
    formed = isinstance(pack, dict) and pack.get("v") == PACK_VERSION
    need(formed, f"a pack is a JSON object whose 'v' is '{PACK_VERSION}'")
    for name in ("vkey", "checkpoint", "subject"):
        field(pack, name, str)
    for name in ("entries", "documents", "texts", "messages"):
        objects = all(isinstance(item, dict) for item in field(pack, name, list))
        need(objects, f"'{name}' of a pack is a list of objects")
    field(pack, "complete", bool)
    pack["key"] = field(pack, "key", str, None)
    formed = pack["key"] is None or HASH.fullmatch(pack["key"])
    need(formed, "'key' of a pack has 64 hex digits")
    return pack  # type: ignore[no-any-return]


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON in which no key comes twice."""
    value = dict(pairs)
    need(len(value) == len(pairs), "a key is named twice")
    return value


def field(value: dict[str, Any], name: str, kind: type, default: object = ...) -> Any:  # noqa: ANN401 - of the kind asked for
    """Give a field of this kind; where None is the default, it may be missing."""
    found = value.get(name)
    right = type(found) is kind or (found is None and default is None)
    need(right, f"'{name}' in a pack is missing or of the wrong kind")
    return found


def commitment(key: bytes, private: dict[str, Any]) -> str:
    """Give what an entry holds in the place of its private part."""
    text = json.dumps(arranged(private, 0), ensure_ascii=False, separators=(",", ":"))
    message = PACK_VERSION.encode() + b"\x00" + as_utf8(text)
    return hmac.new(key, message, "sha256").hexdigest()


def arranged(value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON has any shape
    """Put the keys of JSON into the order of RFC 8785, and refuse what it cannot hold."""
    if isinstance(value, (dict, list)):
        need(depth < DEEPEST, f"nested more than {DEEPEST} deep")
    if isinstance(value, list):
        return [arranged(item, depth + 1) for item in value]
    if isinstance(value, dict):
        keys = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: arranged(value[name], depth + 1) for name in keys}
    small = not isinstance(value, (int, float)) or (
        type(value) is not float and abs(value) <= MAX_NUMBER
    )
    need(small, "only whole numbers within 2^53 are allowed")
    return value


def as_utf8(text: str) -> bytes:
    """Give the bytes of a text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        refuse("it holds a lone surrogate, which is no character")
