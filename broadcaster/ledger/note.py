"""Signed notes after C2SP signed-note: signing and opening.

A note is a text, a blank line, and one line per signature. Signatures by keys we do not know are
ignored, as the specification asks; a wrong signature by a key we know refuses the whole note.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from broadcaster.ledger.errors import MalformedNote, UnknownSigner
from broadcaster.ledger.keys import KEY_ID_BYTES, NAME, NoteKey, NoteSigner, decode_base64

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
#: How a signature line begins.
PREFIX = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note whose signatures were checked.

    Attributes:
        text: The signed text, its final line feed included.
        signers: The known keys that signed it.
        data: The note as it was read, unknown signatures included.
    """

    text: str
    signers: tuple[NoteKey, ...]
    data: bytes = field(repr=False)


def sign_note(text: str, signers: Sequence[NoteSigner]) -> bytes:
    """Sign a text and give the note.

    Raises:
        MalformedNote: the text cannot be signed, see `check_text`, or nobody signs.
    """
    check_text(text)
    if not signers:
        message = "a note needs at least one signature"
        raise MalformedNote(message)
    body = text.encode("utf-8")
    lines = [
        f"{PREFIX}{signer.name} {base64.b64encode(signer.key.key_id + signer.sign(body)).decode()}\n"
        for signer in signers
    ]
    return body + b"\n" + "".join(lines).encode("utf-8")


def open_note(data: bytes, keys: Sequence[NoteKey]) -> Note:
    """Read a note and check every signature on it by a key we know.

    Args:
        data: The note.
        keys: The keys we know.

    Raises:
        MalformedNote: the bytes are no note.
        BadSignature: a known key's signature is wrong, even if another's is right.
        UnknownSigner: no known key signed it.
    """
    text, lines = split_note(data)
    known = {(key.name, key.key_id): key for key in keys}
    signers: dict[NoteKey, None] = {}
    for line in lines:
        name, key_id, signature = parse_signature(line)
        key = known.get((name, key_id))
        if key is not None:
            key.verify(text.encode("utf-8"), signature)
            signers[key] = None
    if not signers:
        message = "no signature on the note is by a key known here"
        raise UnknownSigner(message)
    return Note(text=text, signers=tuple(signers), data=data)


def check_text(text: str) -> None:
    """Check that a text can be the text of a note.

    Raises:
        MalformedNote: it does not end in a line feed, or holds other control characters.
    """
    if not text.endswith("\n"):
        message = "the text of a note ends in a line feed"
        raise MalformedNote(message)
    if _CONTROL.search(text):
        message = "the text of a note has no control characters but line feeds"
        raise MalformedNote(message)


def split_note(data: bytes) -> tuple[str, list[str]]:
    """Give the text of a note, which is not checked, and its signature lines.

    Raises:
        MalformedNote: the bytes are no note.
    """
    if len(data) > MAX_NOTE_BYTES:
        message = f"a note has at most {MAX_NOTE_BYTES:,} bytes"
        raise MalformedNote(message)
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = "the note is not UTF-8"
        raise MalformedNote(message) from error
    check_text(whole)
    text, blank, signatures = whole.rpartition("\n\n")
    lines = signatures.removesuffix("\n").split("\n")
    if not blank or not signatures:
        message = "a note has a text, a blank line and signatures"
        raise MalformedNote(message)
    if len(lines) > MAX_SIGNATURES:
        message = f"a note with more than {MAX_SIGNATURES} signatures is refused"
        raise MalformedNote(message)
    return text + "\n", lines


def parse_signature(line: str) -> tuple[str, bytes, bytes]:
    """Give the name, the key id and the signature of a line.

    Raises:
        MalformedNote: the line has another form.
    """
    name, space, encoded = line.removeprefix(PREFIX).partition(" ")
    raw = decode_base64(encoded)
    if not line.startswith(PREFIX) or not space or not NAME.fullmatch(name) or raw is None:
        message = "a signature line reads: em dash, name, base64"
        raise MalformedNote(message)
    if len(raw) <= KEY_ID_BYTES:
        message = "a signature line is too short to hold a signature"
        raise MalformedNote(message)
    return name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:]
