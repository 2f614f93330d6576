"""Every error the product raises on purpose.

BroadcasterError
├── InvalidInput          what a person or a caller typed cannot be accepted
│   ├── InvalidAddress    no usable phone number or WhatsApp address
│   ├── InvalidKeyword    a list cannot be named like this
│   ├── InvalidMoment     a local time that is past, missing or ambiguous
│   └── MalformedWebhook  a request signed by the provider that lacks a field or its form
├── NotFound              nothing with that name or number
├── Conflict              somebody or something was there first
├── ListUnreadable        the provider's own list of messages cannot be relied on now
├── Unheard               what people texted us while we were away is not known yet
├── KeyGone               what a key was wrapped under has been destroyed
├── KeysMismatch          the key store does not belong to the master key or the database
└── DatabaseMismatch      the database belongs to another version, or is damaged
"""

from __future__ import annotations


class BroadcasterError(Exception):
    """Root of all errors raised on purpose; its text may be shown to a person."""


class InvalidInput(BroadcasterError):  # noqa: N818 - reads as what it says
    """Something typed cannot be accepted; the text says why and what to do."""


class InvalidAddress(InvalidInput):
    """No usable phone number or WhatsApp address. Never contains the address itself."""


class InvalidKeyword(InvalidInput):
    """A list cannot be named like this."""


class InvalidMoment(InvalidInput):
    """A moment that is past, does not exist or exists twice."""


class MalformedWebhook(InvalidInput):
    """A signed webhook without a required field, or with one that has no strict form."""


class NotFound(BroadcasterError):  # noqa: N818 - reads as what it says
    """Nothing with that name or number."""


class Conflict(BroadcasterError):  # noqa: N818 - reads as what it says
    """Somebody or something was there first; reload and look."""


class ListUnreadable(BroadcasterError):  # noqa: N818 - reads as what it says
    """The provider's own list of messages cannot be relied on now; ask again later.

    Args:
        reason: one word of what went wrong, such as ``timeout``; never a number or a text.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The provider's list of messages could not be read ({reason}). "
            "Nothing was concluded from it; it is read again later."
        )
        self.reason = reason


class Unheard(BroadcasterError):  # noqa: N818 - reads as what it says
    """What people texted us while we were away is not known yet, so nothing may start."""


class DatabaseMismatch(BroadcasterError):  # noqa: N818 - reads as what it says
    """The database was made by another version, is damaged, or is none of ours."""


class LedgerBroken(BroadcasterError):  # noqa: N818 - reads as what it says
    """The ledger in the database is not what it was: nothing about it may be signed or sent."""


class KeyGone(BroadcasterError, ValueError):  # noqa: N818 - reads as what it says
    """A subject's key cannot be opened any more: they, or a copy of the database, were forgotten."""

    def __init__(self) -> None:
        super().__init__("The key of this person was destroyed; nothing of theirs can be read.")


class KeysMismatch(BroadcasterError):  # noqa: N818 - reads as what it says
    """The key store is missing, damaged, or belongs to another master key or database."""
