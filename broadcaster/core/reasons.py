"""Reasons that the ledger keeps for ever, and that anybody may read: they must tell of nobody."""

from __future__ import annotations

import re

from broadcaster.core.errors import InvalidInput

#: The longest reason, in characters.
LONGEST = 500
# What looks like a phone number; a date with its time does not.
_NUMBER = re.compile(r"\+ ?[0-9]{2}|\b0[0-9]{1,3}[ -]?(?:[0-9] ?){7}|[0-9]{9}")


def check_public(reason: str) -> str:
    """Return a reason as the ledger keeps it.

    Raises:
        InvalidInput: it says nothing, is too long, or holds what looks like a number or an address.
    """
    text = reason.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        message = f"The reason is a line of 1 to {LONGEST} characters."
        raise InvalidInput(message)
    if "@" in text or _NUMBER.search(text):
        message = "The reason becomes public and stays: leave numbers and addresses of people out."
        raise InvalidInput(message)
    return text
