"""Whatever byte of whatever column of the ledger's tables is changed: it is found, and the row named."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from broadcaster.services import checking
from tests import tampering


@pytest.fixture
def busy(world):
    tampering.fill(world)
    tampering.disarm(world.runtime)
    return world


@pytest.mark.parametrize("kind", tampering.TABLES, ids=lambda one: one.__tablename__)
def test_any_bit_that_is_flipped_is_found_and_its_row_is_named(busy, kind):
    cells = tampering.cells(busy.runtime, kind)
    columns = sorted({one.column.name for one in cells})

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def flip(data):
        column = data.draw(st.sampled_from(columns))
        cell = data.draw(st.sampled_from([one for one in cells if one.column.name == column]))
        new = cell.flipped(data.draw(st.integers(0, cell.bits - 1)))
        assume(tampering.put(busy.runtime, cell, cell.keys, new))
        try:
            found = [one.where for one in checking.check(busy.runtime)]
        finally:
            assert tampering.put(busy.runtime, cell, cell.moved(new), cell.value)
        names = cell.names(new)
        assert any(
            where == name or where.startswith(f"{name} ") for where in found for name in names
        )

    flip()
    assert list(checking.check(busy.runtime)) == []
