"""Receipts from the ledger in the database."""

from __future__ import annotations

import pytest

from broadcaster.core.errors import NotFound
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.receipt import verify_receipt
from broadcaster.services import audit, proving
from broadcaster.storage import ledger
from tests.world import phone


@pytest.fixture
def busy(world):
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    return world


def _size(world):
    with world.runtime.reading() as session:
        return ledger.frontier(session).size


def test_every_entry_has_a_receipt(busy):
    for index in range(_size(busy)):
        found = proving.receipt(busy.runtime, index)
        report = verify_receipt(found.to_bytes(), busy.runtime.signer.key)
        assert report.ok, report.to_text()


def test_it_is_under_a_checkpoint_that_others_may_hold(busy):
    audit.sign_what_is_new(busy.runtime)
    size = _size(busy)
    busy.text(phone(9), "NRC AAN")

    def covered(index):
        note = proving.receipt(busy.runtime, index).checkpoint
        return open_checkpoint(note, busy.runtime.signer.key).size

    assert covered(0) == covered(size - 1) == size
    assert covered(size) == _size(busy)


@pytest.mark.parametrize("index", [-1, 10**9])
def test_there_is_none_of_what_is_not_there(busy, index):
    with pytest.raises(NotFound, match=f"entries 0 to {_size(busy) - 1}"):
        proving.receipt(busy.runtime, index)
