"""Marks: what stands for a message's id once the message was deleted at the provider.

A mark still tells that a message was taken in or counted before, so that a repeated webhook or
callback has no effect. It leads nowhere: the id is 128 random bits, which nobody can try out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

_PREFIX = "XX"
_DIGITS = 32


def mark_of(sid: str) -> str:
    """Return the mark of a message's id; of the same length, and no id of any provider."""
    hashed = hashlib.sha256(b"broadcaster/forgotten/1\x00" + sid.encode("utf-8", "replace"))
    return _PREFIX + hashed.hexdigest()[:_DIGITS]


def is_mark(sid: str | None) -> bool:
    """Tell whether this is a mark, and no id."""
    return sid is not None and sid.startswith(_PREFIX)


def known_as(sids: Collection[str]) -> dict[str, str]:
    """Return the ids by what may stand for them in the database: themselves, or their marks."""
    return {written: sid for sid in sids for written in (sid, mark_of(sid))}
