"""The forms of secrets: tokens, 32-byte keys, the key of sessions, the signer of the ledger."""

from __future__ import annotations

import base64
import binascii
import re

from broadcaster.settings.form import Form, refuse
from broadcaster.settings.secret import Secret

KEY_BYTES = 32
SHORTEST_SESSION_KEY = 32
_FEWEST_DIFFERENT_CHARACTERS = 8
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
# The text form of a C2SP signed-note signer: name, key id, key type and seed.
_SIGNER = re.compile(r"PRIVATE\+KEY\+[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}")
# What examples and tutorials show; a key that begins or repeats like this was never made.
_KNOWN = re.compile(
    r"(dev|change|example|secret|password|insecure|default|test|broadcaster)", re.IGNORECASE
)
_MAKE_ONE = "run 'broadcaster init', or make one with: openssl rand -hex 32"


def _written(value: object) -> str:
    if not isinstance(value, str):
        refuse("is not a text; put it between quotes")
    written = value.strip()
    if not written.isprintable():
        refuse("holds a line break, a control character or invalid UTF-8; copy it again")
    return written


def _bytes_of(written: str) -> bytes:
    if _HEX.fullmatch(written):
        return bytes.fromhex(written)
    try:
        return base64.b64decode(written.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def key_bytes(secret: Secret) -> bytes:
    """Return the 32 bytes of a key written as 64 hexadecimal digits or as base64.

    Raises:
        ValueError: it is neither; the text itself is not repeated.
    """
    found = _bytes_of(secret.reveal())
    if len(found) != KEY_BYTES:
        refuse(f"is not 32 bytes as 64 hexadecimal digits or as base64; {_MAKE_ONE}")
    return found


def token() -> Form[Secret]:
    """Make the form of a secret that somebody else has made."""

    def read(value: object) -> Secret:
        written = _written(value)
        if any(character.isspace() for character in written):
            refuse("holds a blank; copy it again from Twilio's console")
        return Secret(written)

    return Form("secret", read, secret=True)


def master_key() -> Form[Secret]:
    """Make the form of a 32-byte key."""

    def read(value: object) -> Secret:
        secret = Secret(_written(value))
        if secret and len(set(key_bytes(secret))) < _FEWEST_DIFFERENT_CHARACTERS:
            refuse(f"is no random key; {_MAKE_ONE}")
        return secret

    return Form("secret: 32 bytes as 64 hexadecimal digits or base64", read, secret=True)


def session_key() -> Form[Secret]:
    """Make the form of the key that signs session cookies."""

    def read(value: object) -> Secret:
        written = _written(value)
        if written and len(written) < SHORTEST_SESSION_KEY:
            refuse(f"is shorter than {SHORTEST_SESSION_KEY} characters; {_MAKE_ONE}")
        weak = _KNOWN.match(written) or len(set(written)) < _FEWEST_DIFFERENT_CHARACTERS
        if written and weak:
            refuse(f"is weak or well known; {_MAKE_ONE}")
        return Secret(written)

    return Form("secret of at least 32 characters", read, secret=True)


def signer_key() -> Form[Secret]:
    """Make the form of the key that signs checkpoints of the ledger."""

    def read(value: object) -> Secret:
        written = _written(value)
        if written and not _SIGNER.fullmatch(written):
            refuse("is no signer key (PRIVATE+KEY+name+id+key); run 'broadcaster init' to make one")
        return Secret(written)

    return Form("secret: C2SP signer key", read, secret=True)


def account_sid() -> Form[str]:
    """Make the form of the name of a Twilio account."""

    def read(value: object) -> str:
        written = _written(value)
        if written and not _ACCOUNT.fullmatch(written):
            refuse(
                "is not an account SID: AC and 32 hexadecimal digits in lower case; "
                "copy it from the first page of Twilio's console"
            )
        return written

    return Form("AC and 32 hexadecimal digits", read)
