"""Cosignatures of witnesses after C2SP tlog-cosignature, and the request that asks for one.

A witness signs a checkpoint only if it extends the one that it signed before. So whoever has a
checkpoint with its cosignature knows that the log has shown everybody the same history.
https://c2sp.org/tlog-cosignature and https://c2sp.org/tlog-witness
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from broadcaster.ledger.errors import BadSignature, MalformedKey, MalformedNote, MalformedRequest
from broadcaster.ledger.keys import ED25519, NoteKey, NoteSigner, decode_base64
from broadcaster.ledger.merkle import HASH_SIZE
from broadcaster.ledger.note import PREFIX, parse_signature, split_note

#: The type of a key that signs checkpoints as a witness.
COSIGNATURE = 0x04
#: A proof that leads from one size to another has at most so many hashes.
LONGEST_PROOF = 63
_SECONDS_BYTES = 8
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


def witness_key(signer: NoteSigner) -> NoteKey:
    """Give the public key under which a signer is known as a witness."""
    return NoteKey(name=signer.name, type=COSIGNATURE, public_key=signer.key.public_key)


def cosign(text: str, signer: NoteSigner, seconds: int) -> bytes:
    """Give the line by which a witness signs a checkpoint.

    Args:
        text: The checkpoint's text, its final line feed included.
        signer: The witness.
        seconds: When, since 1970.
    """
    moment = seconds.to_bytes(_SECONDS_BYTES, "big")
    raw = witness_key(signer).key_id + moment + signer.sign(_message(text, seconds))
    return f"{PREFIX}{signer.name} {base64.b64encode(raw).decode()}\n".encode()


def verify_cosignature(note: bytes, key: NoteKey) -> int | None:
    """Check the cosignature of one witness on a checkpoint.

    Args:
        note: The signed note.
        key: The witness's key, of type 4.

    Returns:
        When it signed, in seconds since 1970; None if it did not.

    Raises:
        MalformedNote: the bytes are no note, or its line is too short.
        MalformedKey: the key is not that of a witness.
        BadSignature: its signature does not fit.
    """
    if key.type != COSIGNATURE:
        message = f"the key of a witness has type {COSIGNATURE}, not {key.type}"
        raise MalformedKey(message)
    text, lines = split_note(note)
    for line in lines:
        name, key_id, signature = parse_signature(line)
        if (name, key_id) != (key.name, key.key_id):
            continue
        if len(signature) <= _SECONDS_BYTES:
            message = "a cosignature holds a moment and a signature"
            raise MalformedNote(message)
        seconds = int.from_bytes(signature[:_SECONDS_BYTES], "big")
        as_ed25519 = NoteKey(name=key.name, type=ED25519, public_key=key.public_key)
        as_ed25519.verify(_message(text, seconds), signature[_SECONDS_BYTES:])
        return seconds
    return None


def add_lines(note: bytes, lines: bytes, key: NoteKey) -> bytes:
    """Put a witness's answer under a checkpoint.

    Raises:
        MalformedNote: the answer holds something else than signature lines.
        BadSignature: none of them is by this witness, or one of them does not fit.
    """
    signed = note + lines
    if verify_cosignature(signed, key) is None or split_note(signed)[0] != split_note(note)[0]:
        message = f"the witness '{key.name}' answered without its own signature"
        raise BadSignature(message)
    return signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a log asks of a witness.

    Attributes:
        old: The size that the witness is taken to know; 0 for none.
        proof: That the checkpoint extends the tree of that size.
        checkpoint: The signed note.
    """

    old: int
    proof: Sequence[bytes]
    checkpoint: bytes

    def to_bytes(self) -> bytes:
        """Give the body of ``POST …/add-checkpoint``."""
        hashes = (base64.b64encode(item).decode() for item in self.proof)
        lines = (f"old {self.old}", *hashes, "")
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


def parse_request(data: bytes) -> Request:
    """Read what `Request.to_bytes` gave.

    Raises:
        MalformedRequest: the bytes have another form.
    """
    head, blank, checkpoint = data.partition(b"\n\n")
    first, *hashes = head.decode("ascii", "replace").split("\n")
    old = _OLD.fullmatch(first)
    proof = [decode_base64(item) for item in hashes]
    found = [item for item in proof if item is not None and len(item) == HASH_SIZE]
    if old is None or not blank or len(found) != len(proof) or len(found) > LONGEST_PROOF:
        message = "a request has 'old' and a size, hashes, a blank line and a checkpoint"
        raise MalformedRequest(message)
    return Request(old=int(old[1]), proof=found, checkpoint=checkpoint)


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
