"""Passwords of staff: what is asked of one, how it is kept, how it is compared."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from broadcaster.core.errors import InvalidInput

SHORTEST = 12
LONGEST = 256
_FEWEST_LETTERS = 4

# OWASP's Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# Compared where no account has the name, so that the answer takes as long as it does for others.
_NOBODY = _HASHER.hash("no account has this password, because no account is this one")


def check_new(password: str, *, name: str) -> None:
    """Refuse a password that is too easy to guess.

    Raises:
        InvalidInput: it is too short, too long, or holds the account's name.
    """
    if len(password) < SHORTEST:
        message = f"The password is too short; use at least {SHORTEST} characters."
        raise InvalidInput(message)
    if len(password) > LONGEST:
        message = f"The password is too long; use at most {LONGEST} characters."
        raise InvalidInput(message)
    if name.casefold() in password.casefold() or len(set(password)) < _FEWEST_LETTERS:
        message = "The password is too easy to guess; leave out the name and do not repeat letters."
        raise InvalidInput(message)


def encode(password: str, *, name: str) -> str:
    """Return the hash under which a new password is kept.

    Raises:
        InvalidInput: it is too easy to guess, or too long.
    """
    check_new(password, name=name)
    return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


def is_right(password: str, kept: str | None) -> bool:
    """Compare a password with a hash; without a hash, take as long and say no."""
    typed = password[: LONGEST + 1].encode("utf-8", "surrogatepass")
    try:
        _HASHER.verify(kept or _NOBODY, typed)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None
