"""Queries on staff: accounts, the sessions they have open, and recent failed sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session

from broadcaster.storage.models import SignInAttempt, StaffSession, User
from broadcaster.storage.upsert import insert


def find_user(session: Session, name: str) -> User | None:
    """Return the account with exactly this name."""
    return session.scalar(select(User).where(User.name == name))


def get_user(session: Session, user_id: int) -> User | None:
    """Return the account with this id."""
    return session.get(User, user_id)


def is_name_taken(session: Session, name: str) -> bool:
    """Tell whether an account has this name, in whatever case."""
    found = session.scalar(select(User.id).where(func.lower(User.name) == name.lower()))
    return found is not None


def list_users(session: Session) -> Sequence[User]:
    """Return all accounts by name."""
    return session.scalars(select(User).order_by(User.name)).all()


def count_active(session: Session, role: str) -> int:
    """Count the accounts of a role that may sign in."""
    counted = select(func.count()).where(User.role == role, User.active.is_(True))
    return session.scalar(counted) or 0


def find_session(session: Session, token_hash: str) -> tuple[StaffSession, User] | None:
    """Return an open session with its account."""
    row = session.execute(
        select(StaffSession, User)
        .join(User, User.id == StaffSession.user_id)
        .where(StaffSession.token_hash == token_hash)
    ).first()
    return None if row is None else (row[0], row[1])


def touch_session(session: Session, token_hash: str, now: datetime) -> None:
    """Note that a session is in use; one that has ended meanwhile stays ended."""
    session.execute(
        update(StaffSession).where(StaffSession.token_hash == token_hash).values(seen=now)
    )


def delete_session(session: Session, token_hash: str) -> None:
    """End one session."""
    session.execute(delete(StaffSession).where(StaffSession.token_hash == token_hash))


def delete_sessions(session: Session, user_id: int, *, keep: str | None = None) -> int:
    """End all sessions of an account, except one by its token's hash; return how many."""
    doomed = delete(StaffSession).where(StaffSession.user_id == user_id)
    if keep is not None:
        doomed = doomed.where(StaffSession.token_hash != keep)
    return len(session.scalars(doomed.returning(StaffSession.token_hash)).all())


def delete_stale_sessions(
    session: Session, *, created_before: datetime, seen_before: datetime
) -> None:
    """Remove sessions that are over by their age or by idleness."""
    _remove(session, StaffSession.created < created_before)
    _remove(session, StaffSession.seen < seen_before)


def _remove(session: Session, condition: ColumnElement[bool]) -> None:
    session.execute(delete(StaffSession).where(condition))


def count_sessions(session: Session, user_id: int) -> int:
    """Count the sessions an account has open."""
    counted = select(func.count()).where(StaffSession.user_id == user_id)
    return session.scalar(counted) or 0


def find_attempts(session: Session, keys: Sequence[str]) -> Sequence[SignInAttempt]:
    """Return what is kept of failed sign-ins under these keys."""
    return session.scalars(select(SignInAttempt).where(SignInAttempt.key.in_(keys))).all()


def lock_attempt(session: Session, key: str, now: datetime) -> SignInAttempt:
    """Return what is kept of failed sign-ins under a key, and let nobody else count meanwhile."""
    session.execute(
        insert(session, SignInAttempt)
        .values(key=key, failures=0, last=now)
        .on_conflict_do_nothing(index_elements=["key"])
    )
    locked = select(SignInAttempt).where(SignInAttempt.key == key).with_for_update()
    return session.execute(locked).scalar_one()


def forget_attempts(session: Session, keys: Sequence[str]) -> None:
    """Forget the failed sign-ins under these keys, in the order in which they are locked."""
    for key in keys:
        session.execute(delete(SignInAttempt).where(SignInAttempt.key == key))


def forget_attempts_before(session: Session, before: datetime) -> None:
    """Forget failed sign-ins that are older than a moment."""
    _forget(session, select(SignInAttempt.key).where(SignInAttempt.last < before))


def forget_attempts_beyond(session: Session, most: int) -> None:
    """Forget the oldest failed sign-ins beyond a number."""
    newest = select(SignInAttempt.key).order_by(SignInAttempt.last.desc(), SignInAttempt.key)
    _forget(session, newest.offset(most))


def _forget(session: Session, doomed: Select[Any]) -> None:
    # A row that is in use at this moment is not old; waiting for it could be a deadlock.
    free = doomed.with_for_update(skip_locked=True)
    session.execute(
        delete(SignInAttempt)
        .where(SignInAttempt.key.in_(free))
        .execution_options(synchronize_session=False)
    )
