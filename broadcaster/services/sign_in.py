"""Signing in: slow for whoever guesses, equal for every wrong answer, open to the rightful again.

An attempt is counted before its password is compared, so that many at once gain nothing; the
comparison itself, which takes long on purpose, holds no transaction. Who has to wait is refused by
reading alone: writing would take the lock that a STOP coming in needs, and fill the table.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from broadcaster.runtime import Runtime
from broadcaster.services import passwords, staff
from broadcaster.services.staff import SessionLimits
from broadcaster.storage import staff as accounts
from broadcaster.storage.models import SignInAttempt

_FORGET_AFTER = timedelta(hours=1)
# However many addresses somebody has, no more rows than this are kept; the oldest go.
_MOST_KEPT = 10_000
# Who has one IPv6 address has its whole network of 2**64.
_IPV6_NETWORK = 64
_LONGEST_NAME = 64
_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Throttle:
    # Failures that cost nothing, and how long one waits at most after more of them.
    free: int
    longest: timedelta


# Short at most for an account, so that no stranger can lock a person out for long; a single
# address has no such claim.
_ACCOUNT = _Throttle(free=5, longest=timedelta(minutes=1))
_ADDRESS = _Throttle(free=10, longest=timedelta(minutes=15))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The name and password were right.

    Args:
        token: goes into the browser's cookie and nowhere else.
        user_id: whose session it is.
    """

    token: str
    user_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nobody was signed in.

    Args:
        wait: how long to wait before another attempt is looked at; None: it was looked at, and
            name or password is wrong.
    """

    wait: timedelta | None = None


def sign_in(
    runtime: Runtime, *, name: str, password: str, address: str, limits: SessionLimits
) -> SignedIn | Refused:
    """Open a session for the member of staff who knows the password.

    Args:
        runtime: the parts.
        name: as typed; it must match exactly.
        password: as typed.
        address: where the request comes from.
        limits: how long sessions last; those past it are cleared away.
    """
    now = runtime.clock.now()
    # The address comes first: a stranger who has to wait makes no row for any name.
    throttles = {_key("address", _network(address)): _ADDRESS, _key("account", name): _ACCOUNT}
    with runtime.reading() as session:
        wait = _longest(accounts.find_attempts(session, list(throttles)), throttles, now)
        user = accounts.find_user(session, name) if _may_be_a_name(name) else None
    wait = wait or _count(runtime, throttles, now)
    if wait:
        return Refused(wait=wait)
    kept = user.password_hash if user is not None and user.active else None
    if not passwords.is_right(password, kept) or user is None:
        return Refused()
    with runtime.transaction() as session:
        # The account may have been closed while the password was compared.
        current = accounts.get_user(session, user.id)
        if current is None or not current.active or current.password_hash != kept:
            return Refused()
        accounts.forget_attempts(session, list(throttles))
        accounts.delete_stale_sessions(
            session, created_before=now - limits.absolute, seen_before=now - limits.idle
        )
        token = staff.open_session(session, user.id, now=now)
        return SignedIn(token=token, user_id=user.id)


def _count(runtime: Runtime, throttles: Mapping[str, _Throttle], now: datetime) -> timedelta | None:
    """Count an attempt under each key, unless others at the same moment used up what was free."""
    with runtime.transaction() as session:
        accounts.forget_attempts_before(session, now - _FORGET_AFTER)
        attempts = []
        for key in throttles:
            attempt = accounts.lock_attempt(session, key, now)
            wait = _longest([attempt], throttles, now)
            if wait:
                return wait
            attempts.append(attempt)
        for attempt in attempts:
            attempt.failures += 1
            attempt.last = now
        session.flush()
        accounts.forget_attempts_beyond(session, _MOST_KEPT)
    return None


def _longest(
    attempts: Iterable[SignInAttempt], throttles: Mapping[str, _Throttle], now: datetime
) -> timedelta | None:
    """Return how long somebody still has to wait, if at all."""
    wait = max((_wait(one, throttles[one.key], now) for one in attempts), default=timedelta())
    return wait if wait > timedelta() else None


def _may_be_a_name(name: str) -> bool:
    # PostgreSQL refuses NUL in a parameter; no account has a name like these.
    return 0 < len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable()


def _key(kind: str, value: str) -> str:
    # Hashed: a name typed into the wrong field may be a password.
    return hashlib.sha256(f"{kind}|{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_NETWORK), strict=False))


def _wait(attempt: SignInAttempt, throttle: _Throttle, now: datetime) -> timedelta:
    if attempt.failures < throttle.free:
        return timedelta()
    doublings = min(attempt.failures - throttle.free, _MOST_DOUBLINGS)
    pause = min(timedelta(seconds=2 * 2**doublings), throttle.longest)
    return attempt.last + pause - now
