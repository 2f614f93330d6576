"""A guard inside the test databases: whatever code runs there, a delivery makes only legal moves.

It is a trigger, so that no statement gets past it: not the bulk ones, not those of another process.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Engine

from broadcaster.core.delivery import MOVES, TAKEN, State

_NAME = "only_legal_moves"
# Until they have an outcome they are counted together, so nothing else may tell them apart.
_UNDECIDED = (State.QUEUED, State.CLAIMED, State.HANDED_OVER)


def guard(engine: Engine) -> None:
    """Let a database refuse every update of a delivery that the state machine does not know."""
    create = _on_sqlite if engine.dialect.name == "sqlite" else _on_postgresql
    with engine.begin() as connection:
        for statement in create(" OR ".join(f"({one})" for one in _faults())):
            connection.execute(sa.text(statement))


def release(engine: Engine) -> None:
    """Take the guard away, for a test that takes columns away."""
    drop = f"DROP FUNCTION {_NAME} CASCADE"
    if engine.dialect.name == "sqlite":
        drop = f"DROP TRIGGER {_NAME}"
    with engine.begin() as connection:
        connection.execute(sa.text(drop))


def _faults() -> list[str]:
    """Say in SQL what no update may do."""
    legal = _listed(f"{old}>{new}" for old, following in MOVES.items() for new in following)
    return [
        f"NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN ({legal})",
        # The intent is written down with the entry that allows it, by somebody, for a while.
        "NEW.state = 'claimed' AND (NEW.entry IS NULL OR NEW.worker IS NULL OR NEW.lease IS NULL)",
        "NEW.state = 'handed_over' AND (NEW.entry IS NULL OR NEW.handed IS NULL)",
        # Each hand-over has a number of its own, which no later one gets.
        (
            "NEW.attempt <> OLD.attempt"
            " + CASE WHEN NEW.state = 'handed_over' AND OLD.state <> 'handed_over' THEN 1 ELSE 0 END"
        ),
        (
            f"NEW.state IN ({_listed(_UNDECIDED)})"
            " AND (NEW.reason IS NOT NULL OR NEW.error_code IS NOT NULL OR NEW.sid IS NOT NULL)"
        ),
        f"NEW.state IN ({_listed(TAKEN)}) AND NEW.sid IS NULL",
        # What the provider gave a message, it keeps, until the message was deleted there.
        "OLD.sid IS NOT NULL AND NEW.sid <> OLD.sid AND NEW.sid NOT LIKE 'XX%'",
    ]


def _listed(words) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


def _on_sqlite(fault: str) -> list[str]:
    return [
        (
            f"CREATE TRIGGER {_NAME} BEFORE UPDATE ON deliveries WHEN {fault}"
            " BEGIN SELECT RAISE(ABORT, 'a delivery made an illegal move'); END"
        )
    ]


def _on_postgresql(fault: str) -> list[str]:
    return [
        (
            f"CREATE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'a delivery made an illegal move: % > %', OLD.state, NEW.state;"
            " END $$"
        ),
        (
            f"CREATE TRIGGER {_NAME} BEFORE UPDATE ON deliveries FOR EACH ROW WHEN ({fault})"
            f" EXECUTE FUNCTION {_NAME}()"
        ),
    ]
