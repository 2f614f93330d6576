"""What PostgreSQL knows of its tables when it plans: out of date after a bulletin has started."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

# Its own autovacuum looks once a minute; until then a claim would read the whole bulletin.
_STALE = text("""
    SELECT n_mod_since_analyze > 5000 + n_live_tup / 5
    FROM pg_stat_user_tables WHERE relid = CAST('deliveries' AS regclass)
""")
_ONE_AT_A_TIME = 0x616E616C


def refresh(session: Session) -> bool:
    """Let PostgreSQL look at the deliveries again if many of them changed; tell whether it did."""
    if not session.execute(_STALE).scalar():
        return False
    if not session.execute(select(func.pg_try_advisory_xact_lock(_ONE_AT_A_TIME))).scalar():
        return False
    session.execute(text("ANALYZE deliveries"))
    return True
