"""Staff: accounts and their roles, and the sessions that signing in opens.

A session is a row found by the hash of a random token in the browser's cookie. Deleting the row
ends it at once, whatever the browser still sends.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from broadcaster.core.errors import Conflict, InvalidInput, NotFound
from broadcaster.runtime import Runtime
from broadcaster.services import passwords
from broadcaster.storage import staff as accounts
from broadcaster.storage.models import StaffSession, User

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_TOKEN_BYTES = 32
# Writing "seen" at every request would make each page a write; a minute is exact enough.
_SEEN_EVERY = timedelta(minutes=1)


class Role(StrEnum):
    """What a member of staff may do."""

    EDITOR = "editor"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session lasts.

    Args:
        idle: without a request.
        absolute: in all.
    """

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """The member of staff who asks for a page."""

    id: int
    name: str
    role: Role
    language: str | None
    session: str
    touch_due: bool


def add_user(
    session: Session,
    *,
    name: str,
    password: str,
    role: Role,
    now: datetime,
    language: str | None = None,
) -> User:
    """Open an account.

    Raises:
        InvalidInput: the name or the password cannot be used.
        Conflict: an account has this name, perhaps in another case.
    """
    if not _NAME.fullmatch(name):
        message = (
            "A name has 1 to 64 letters a to z, digits and . _ @ + - and begins with a letter or"
            " a digit."
        )
        raise InvalidInput(message)
    kept = passwords.encode(password, name=name)
    if accounts.is_name_taken(session, name):
        message = "There is already an account with that name; choose another."
        raise Conflict(message)
    user = User(name=name, role=role, password_hash=kept, language=language, created=now)
    session.add(user)
    session.flush()
    return user


def list_users(session: Session) -> Sequence[User]:
    """Return all accounts by name."""
    return accounts.list_users(session)


def change_password(
    runtime: Runtime, user_id: int, *, current: str, new: str, keep: str | None = None
) -> None:
    """Give an account another password and end its other sessions.

    Comparing and hashing take long on purpose, so no transaction is open meanwhile.

    Args:
        runtime: the parts.
        user_id: whose password.
        current: the password until now.
        new: the password from now on.
        keep: the hash of the session that asks, which stays open.

    Raises:
        InvalidInput: the current password is wrong or the new one cannot be used.
    """
    with runtime.reading() as session:
        user = _get(session, user_id)
    if not passwords.is_right(current, user.password_hash):
        message = "That is not your current password."
        raise InvalidInput(message)
    kept = passwords.encode(new, name=user.name)
    with runtime.transaction() as session:
        _get(session, user_id).password_hash = kept
        accounts.delete_sessions(session, user_id, keep=keep)


def reset_password(session: Session, name: str, *, new: str) -> None:
    """Give an account another password without the old one, and end all its sessions."""
    user = _find(session, name)
    user.password_hash = passwords.encode(new, name=user.name)
    accounts.delete_sessions(session, user.id)


def change_role(session: Session, name: str, role: Role) -> None:
    """Give an account another role and end its sessions."""
    user = _find(session, name)
    if user.role == Role.ADMIN and role is not Role.ADMIN:
        _keep_one_admin(session)
    user.role = role
    accounts.delete_sessions(session, user.id)


def disable(session: Session, name: str) -> None:
    """Close an account for signing in and end its sessions; what it did stays."""
    user = _find(session, name)
    if user.active and user.role == Role.ADMIN:
        _keep_one_admin(session)
    user.active = False
    accounts.delete_sessions(session, user.id)


def change_language(session: Session, user_id: int, language: str) -> None:
    """Remember the language in which a member of staff reads the screens."""
    _get(session, user_id).language = language


def open_session(session: Session, user_id: int, *, now: datetime) -> str:
    """Open a session and return its token, which is kept nowhere but in the browser."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(StaffSession(token_hash=digest(token), user_id=user_id, created=now, seen=now))
    session.flush()
    return token


def who(session: Session, token: str, *, limits: SessionLimits, now: datetime) -> Member | None:
    """Return the member of staff a token belongs to; None when the session is over."""
    found = accounts.find_session(session, digest(token))
    if found is None:
        return None
    opened, user = found
    over = now - opened.seen > limits.idle or now - opened.created > limits.absolute
    if over or not user.active or user.role not in list(Role):
        return None
    return Member(
        id=user.id,
        name=user.name,
        role=Role(user.role),
        language=user.language,
        session=opened.token_hash,
        touch_due=now - opened.seen > _SEEN_EVERY,
    )


def touch(session: Session, token_hash: str, *, now: datetime) -> None:
    """Note that a session is in use."""
    accounts.touch_session(session, token_hash, now)


def sign_out(session: Session, token_hash: str) -> None:
    """End one session."""
    accounts.delete_session(session, token_hash)


def end_sessions(session: Session, user_id: int, *, keep: str | None = None) -> int:
    """End all sessions of an account, except perhaps one; return how many ended."""
    return accounts.delete_sessions(session, user_id, keep=keep)


def digest(token: str) -> str:
    """Return the hash by which a token's session is found."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _get(session: Session, user_id: int) -> User:
    user = accounts.get_user(session, user_id)
    if user is None:
        message = "There is no such account."
        raise NotFound(message)
    return user


def _find(session: Session, name: str) -> User:
    user = accounts.find_user(session, name)
    if user is None:
        message = f"There is no account named {name[:64]!r}; 'broadcaster user list' shows them."
        raise NotFound(message)
    return user


def _keep_one_admin(session: Session) -> None:
    if accounts.count_active(session, Role.ADMIN) <= 1:
        message = "This is the last admin; make another account admin first."
        raise Conflict(message)
