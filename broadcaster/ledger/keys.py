"""Keys of signed notes after C2SP signed-note: public ones (vkey) and private ones, with Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from broadcaster.ledger.errors import BadSignature, MalformedKey

ED25519 = 0x01
KEY_ID_BYTES = 4
NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_ED25519_BYTES = 32
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A public key that may sign notes.

    Attributes:
        name: The signer's name; no spaces, no plus sign.
        type: Signature type of C2SP signed-note; only Ed25519 (1) can be verified here.
        public_key: The raw key.

    Raises:
        MalformedKey: the name cannot be one, or an Ed25519 key has not 32 bytes.
    """

    name: str
    type: int = ED25519
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.type == ED25519 and len(self.public_key) != _ED25519_BYTES:
            message = f"an Ed25519 key has {_ED25519_BYTES} bytes, not {len(self.public_key)}"
            raise MalformedKey(message)

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signature lines name the key."""
        name = self.name.encode("utf-8")
        return hashlib.sha256(name + b"\n" + self._typed()).digest()[:KEY_ID_BYTES]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's text, in hex: short enough to compare by telephone."""
        return hashlib.sha256(self.to_text().encode("utf-8")).hexdigest()

    def to_text(self) -> str:
        """Give the verifier key (vkey): `name+key id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self._typed()).decode()}"

    def verify(self, text: bytes, signature: bytes) -> None:
        """Check a signature over a note's text.

        Raises:
            MalformedKey: the key is of a type that cannot be verified here.
            BadSignature: the signature is not this key's over this text.
        """
        if self.type != ED25519:
            message = f"keys of type {self.type} cannot be verified here, only Ed25519"
            raise MalformedKey(message)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text)
        except InvalidSignature as error:
            message = f"the signature by '{self.name}' does not fit the text"
            raise BadSignature(message) from error

    def _typed(self) -> bytes:
        return bytes([self.type]) + self.public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """A private key that signs notes.

    Attributes:
        name: The signer's name; for a log, its origin.
        private_key: The Ed25519 key.

    Raises:
        MalformedKey: the name cannot be one.
    """

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def key(self) -> NoteKey:
        """The public key that goes with it."""
        return NoteKey(name=self.name, public_key=self.private_key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        """Give the raw signature over a note's text."""
        return self.private_key.sign(text)

    def to_text(self) -> str:
        """Give the text for a key file: `PRIVATE+KEY+name+key id+base64`. Keep it secret."""
        typed = bytes([ED25519]) + self.private_key.private_bytes_raw()
        encoded = base64.b64encode(typed).decode()
        return f"{_PRIVATE}{self.name}+{self.key.key_id.hex()}+{encoded}"


def parse_vkey(text: str) -> NoteKey:
    """Read a verifier key in the form `name+key id+base64`, without white space around it.

    Raises:
        MalformedKey: it has another form, or its key id does not belong to it.
    """
    name, key_id, typed = _split_key(text)
    key = NoteKey(name=name, type=typed[0], public_key=typed[1:])
    _check_key_id(key, key_id)
    return key


def parse_signer(text: str) -> NoteSigner:
    """Read a private key as `NoteSigner.to_text` writes it, without white space around it.

    Raises:
        MalformedKey: it has another form, or its key id does not belong to it. The message never
            repeats the key.
    """
    name, key_id, typed = _split_key(text.removeprefix(_PRIVATE))
    if not text.startswith(_PRIVATE) or typed[0] != ED25519 or len(typed) != _ED25519_BYTES + 1:
        message = f"a private key starts with {_PRIVATE} and holds an Ed25519 seed"
        raise MalformedKey(message)
    signer = NoteSigner(name=name, private_key=Ed25519PrivateKey.from_private_bytes(typed[1:]))
    _check_key_id(signer.key, key_id)
    return signer


def check_name(name: str) -> None:
    """Check that a key can have this name.

    Raises:
        MalformedKey: it cannot.
    """
    if not NAME.fullmatch(name):
        message = "the name of a key has at least one character, no space and no '+'"
        raise MalformedKey(message)


def decode_base64(text: str) -> bytes | None:
    """Decode the one standard base64 spelling of some bytes; None for any other text.

    Python's strict mode lets unused bits in the last character pass, so it is encoded again.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _check_key_id(key: NoteKey, key_id: str) -> None:
    if key.key_id.hex() != key_id:
        message = "the key id does not belong to the key; a character may have been lost"
        raise MalformedKey(message)


def _split_key(text: str) -> tuple[str, str, bytes]:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = decode_base64(encoded)
    if not name or not _KEY_ID.fullmatch(key_id) or not typed:
        message = "a key reads: name, '+', eight hex digits, '+', base64"
        raise MalformedKey(message)
    return name, key_id, typed
