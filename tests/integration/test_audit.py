"""Exports: three forms of the same entries, streamed, safe in a spreadsheet, verifiable."""

from __future__ import annotations

import csv
import io
import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger.entry import parse
from broadcaster.ledger.verify import verify_bundle
from broadcaster.services import audit, tabling
from broadcaster.services.audit import Format
from broadcaster.storage import ledger
from tests.world import phone


@pytest.fixture
def busy(world):
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    world.text(phone(2), "STOP")
    world.text(phone(3), "NRC UIT")
    return world


def test_the_bundle_verifies_with_the_key_of_the_ledger(busy, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"".join(audit.export(busy.runtime, Format.BUNDLE)))

    with path.open("rb") as file:
        result = verify_bundle(file, vkey=busy.runtime.signer.key)

    assert result.ok, result.to_text()


def test_a_later_bundle_extends_an_earlier_checkpoint(busy, tmp_path):
    with busy.runtime.transaction() as session:
        _size, anchor = audit.checkpoint(session, busy.runtime)
    busy.text(phone(9), "NRC AAN")
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"".join(audit.export(busy.runtime, Format.BUNDLE)))

    with path.open("rb") as file:
        result = verify_bundle(file, since=anchor)

    assert result.ok, result.to_text()


def test_jsonl_is_the_exact_leaves(busy):
    lines = b"".join(audit.export(busy.runtime, Format.JSONL)).split(b"\n")

    with busy.runtime.reading() as session:
        leaves = [row.leaf for row in ledger.leaves(session, 0, 1000)]
    assert lines == [*leaves, b""]
    for leaf in leaves:
        parse(leaf)


def test_csv_has_a_row_for_every_entry_and_no_number(busy):
    text = b"".join(audit.export(busy.runtime, Format.CSV)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))

    with busy.runtime.reading() as session:
        assert len(rows) == ledger.frontier(session).size
    assert [row["event"] for row in rows if row["subject"]] == [
        *["opt_in"] * 6,
        "opt_out_all",
        "opt_out",
    ]
    assert "1555" not in text


def test_an_export_covers_exactly_its_checkpoint(busy):
    chunks = audit.export(busy.runtime, Format.JSONL)
    with busy.runtime.reading() as session:
        size = ledger.frontier(session).size
    busy.text(phone(9), "NRC AAN")

    assert b"".join(chunks).count(b"\n") == size


def test_every_export_keeps_the_checkpoint_it_was_made_with(busy):
    b"".join(audit.export(busy.runtime, Format.BUNDLE))

    with busy.runtime.reading() as session:
        head = audit.head(session, busy.runtime)
    assert head.checkpoint_size == head.size
    assert head.checkpoint.startswith("news.example.org/ledger\n")


def test_an_empty_ledger_exports_and_verifies(runtime, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"".join(audit.export(runtime, Format.BUNDLE)))

    with path.open("rb") as file:
        assert verify_bundle(file, vkey=runtime.signer.key).ok


@given(st.text())
def test_no_cell_of_an_export_is_a_formula(cell):
    written = tabling.as_text(cell)

    assert not written.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert written.endswith(cell)


def test_exports_at_once_all_succeed(busy):
    """Each keeps its checkpoint; two of the same size are one."""
    failures = []

    def take():
        try:
            b"".join(audit.export(busy.runtime, Format.BUNDLE))
        except sa.exc.SQLAlchemyError as error:
            failures.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
