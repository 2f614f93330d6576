"""Keys and signed notes after C2SP signed-note, and the checkpoints in them (C2SP tlog-checkpoint)."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

from broadcaster.ledger.standalone.refusal import need, refuse
from broadcaster.ledger.standalone.signatures import is_signed

ED25519, KEY_BYTES, ID_BYTES, HASH_BYTES = 1, 32, 4, 32
MAX_NOTE, MAX_SIGNATURES, LINES = 1_000_000, 100, 3


class Key(NamedTuple):
    """A log's public key."""

    name: str
    id: bytes
    typed: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's text."""
        encoded = base64.b64encode(self.typed).decode()
        return sha256(f"{self.name}+{self.id.hex()}+{encoded}".encode())


class Checkpoint(NamedTuple):
    """A log's size and root, signed by it."""

    size: int
    root: bytes


def sha256(data: bytes) -> str:
    """Give the SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def from_base64(text: str) -> bytes | None:
    """Decode base64 in its one strict spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def read_key(text: str) -> Key:
    """Read a public key in the form name+id+base64."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = from_base64(encoded) or b""
    formed = re.fullmatch(r"[^\s+\x00-\x1f\x7f]+", name) and re.fullmatch("[0-9a-f]{8}", key_id)
    need(formed and typed, "a key reads: name, '+', eight hex digits, '+', base64")
    need(typed[0] != ED25519 or len(typed) == 1 + KEY_BYTES, "an Ed25519 key has 32 bytes")
    expected = sha256(name.encode() + b"\n" + typed)[:8]
    need(
        key_id == expected, "the key id does not belong to the key; a character may have been lost"
    )
    return Key(name, bytes.fromhex(key_id), typed)


def read_checkpoint(note: bytes, key: Key) -> Checkpoint:
    """Read a checkpoint and check that its log signed it."""
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        refuse("the note is not UTF-8")
    text, blank, tail = whole.rpartition("\n\n")
    lines = tail[:-1].split("\n")
    formed = len(note) <= MAX_NOTE and whole.endswith("\n") and blank and lines != [""]
    need(formed and not re.search(r"[\x00-\x09\x0b-\x1f]", whole), "this is no signed note")
    need(len(lines) <= MAX_SIGNATURES, "a note with more than 100 signatures is refused")
    signers = 0
    for line in lines:
        found = re.fullmatch(r"\u2014 ([^\s+\x00-\x1f\x7f]+) (\S+)", line)
        raw = from_base64(found[2]) if found else None
        need(raw and len(raw) > ID_BYTES, "a signature line reads: em dash, name, base64")
        if found and raw and (found[1], raw[:ID_BYTES]) == (key.name, key.id):
            need(key.typed[0] == ED25519, "only Ed25519 keys can be verified")
            signed = is_signed(key.typed[1:], (text + "\n").encode(), raw[ID_BYTES:])
            need(signed, f"the signature by '{key.name}' does not fit the text")
            signers += 1
    need(signers, "no signature on the note is by the log's key")
    parts = text.split("\n")
    root = from_base64(parts[2]) if len(parts) >= LINES and "" not in parts else None
    found_all = root and len(root) == HASH_BYTES and re.fullmatch("0|[1-9][0-9]{0,18}", parts[1])
    need(found_all, "a checkpoint has three lines: origin, size, root")
    need(parts[0] == key.name, f"the checkpoint is of '{parts[0]}', the key is of '{key.name}'")
    return Checkpoint(int(parts[1]), root or b"")
