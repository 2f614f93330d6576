"""Every error the ledger raises on purpose.

LedgerError
├── CanonicalError        bytes or a value that are not RFC 8785 JSON as we allow it
├── EntryError            a leaf or an entry that breaks the rules of its version
├── ProofError            a Merkle proof that proves nothing
│   ├── WrongRange        an index or a size for which no proof can exist
│   ├── WrongHashLength   something that is no SHA-256 hash
│   ├── WrongProofLength  too many or too few hashes
│   └── RootMismatch      well formed, but it leads to another root
├── FrontierError         stored tree state that is damaged
├── NoteError             a signed note that cannot be trusted
│   ├── MalformedNote     not in the form of C2SP signed-note
│   ├── MalformedKey      not in the form of a verifier or signer key
│   ├── UnknownSigner     no signature by a key we know
│   └── BadSignature      a key we know, and its signature is wrong
├── CheckpointError       a note whose text is no usable checkpoint
│   └── Fork              two checkpoints of one log that cannot both be true
├── BundleError           a file that is not exactly what the bundle writer writes
└── PackError             an evidence pack that does not hold together
"""

from __future__ import annotations


class LedgerError(Exception):
    """Root of all errors of the ledger; its text may be shown to a person."""


class CanonicalError(LedgerError):
    """Bytes or a value that are not canonical JSON."""


class EntryError(LedgerError):
    """A leaf or an entry that breaks the rules of its version."""


class ProofError(LedgerError):
    """A Merkle proof that proves nothing."""


class WrongRange(ProofError):  # noqa: N818 - reads as what it says
    """An index or a size for which no proof can exist."""


class WrongHashLength(ProofError):  # noqa: N818 - reads as what it says
    """Something that is no SHA-256 hash."""


class WrongProofLength(ProofError):  # noqa: N818 - reads as what it says
    """Too many or too few hashes."""


class RootMismatch(ProofError):  # noqa: N818 - reads as what it says
    """The proof is well formed but leads to another root.

    Attributes:
        expected: The root that was claimed.
        calculated: The root that the proof leads to.
    """

    def __init__(self, what: str, *, expected: bytes, calculated: bytes) -> None:
        super().__init__(f"{what}: expected {expected.hex()}, calculated {calculated.hex()}")
        self.expected = expected
        self.calculated = calculated


class FrontierError(LedgerError):
    """Stored tree state that is damaged."""


class WrongTile(LedgerError):  # noqa: N818 - reads as what it says
    """A path or the bytes of a tile that are none."""


class MalformedReceipt(LedgerError):  # noqa: N818 - reads as what it says
    """Not in the form of C2SP tlog-proof with the entry inside."""


class MalformedRequest(LedgerError):  # noqa: N818 - reads as what it says
    """Not in the form in which a log asks a witness."""


class NoteError(LedgerError):
    """A signed note that cannot be trusted."""


class MalformedNote(NoteError):  # noqa: N818 - reads as what it says
    """Not in the form of C2SP signed-note."""


class MalformedKey(NoteError):  # noqa: N818 - reads as what it says
    """Not in the form of a verifier or signer key."""


class UnknownSigner(NoteError):  # noqa: N818 - reads as what it says
    """No signature on the note is by a key we know."""


class BadSignature(NoteError):  # noqa: N818 - reads as what it says
    """A key we know is named, and its signature does not fit the text."""


class CheckpointError(LedgerError):
    """A note whose text is no usable checkpoint."""


class Fork(CheckpointError):  # noqa: N818 - reads as what it says
    """Two checkpoints of one log that cannot both be true.

    Attributes:
        evidence: The two signed notes: whoever holds both can prove that the log lied.
    """

    def __init__(self, what: str, *, evidence: tuple[bytes, bytes]) -> None:
        super().__init__(what)
        self.evidence = evidence


class BundleError(LedgerError):
    """A file that is not exactly what the bundle writer writes."""


class PackError(LedgerError):
    """An evidence pack that has not the form it must have, or does not hold together."""
