"""No step of sending looks through all deliveries, however many there are."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from broadcaster.services import brakes, reconciling
from tests.world import phone

# Taken once per bulletin: what was just made is counted when its audience is frozen.
_ONCE = ("count(*)",)


@pytest.fixture
def plans(sqlite_world):
    """Collect how SQLite finds the deliveries of each statement."""
    found = []

    def explain(connection, *given):
        _cursor, statement, parameters, _context, executemany = given
        if "deliveries" not in statement or statement.startswith(("EXPLAIN", "INSERT")):
            return
        if any(word in statement for word in _ONCE):
            return
        row = parameters[0] if executemany else parameters
        rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", row)
        found.extend((detail, statement) for *_, detail in rows.fetchall())

    event.listen(sqlite_world.runtime.database, "before_cursor_execute", explain)
    yield found
    event.remove(sqlite_world.runtime.database, "before_cursor_execute", explain)


def test_every_step_finds_its_deliveries_by_an_index(sqlite_world, plans):
    world = sqlite_world
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    first = world.bulletin()
    world.send()
    second = world.bulletin(text="Nog een")
    world.text(phone(1), "STOP")
    world.send()
    reconciling.look_up_unknown(world.runtime)
    for number in (first, second):
        world.report(number)
    third = world.bulletin(text="En nog een")
    world.start()
    with world.runtime.transaction() as session:
        brakes.pause(session, third, now=world.clock.now())
        brakes.go_on(session, world.runtime, third, now=world.clock.now())
        brakes.stop(session, third, now=world.clock.now())
    world.send()

    assert plans
    scans = sorted({one for one in plans if one[0].startswith("SCAN deliveries")})
    assert scans == []
