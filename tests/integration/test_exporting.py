"""Exports: each is written down; a large one becomes a file, whatever happens to who makes it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from functools import partial
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.errors import NotFound
from broadcaster.ledger.entry import parse
from broadcaster.ledger.verify import verify_bundle
from broadcaster.services import audit, exporting, tabling
from broadcaster.services.audit import Format
from broadcaster.storage import exports
from broadcaster.storage.filing import Choice
from broadcaster.storage.models import Export
from broadcaster.storage.taking import Stored
from tests.unit.ledger.conftest import CONSENT
from tests.world import phone

NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def busy(world):
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    world.clock.advance(minutes=10)
    world.text(phone(2), "STOP")
    world.text(phone(3), "NRC UIT")
    return world


def _ask(world, form=Format.CSV, choice=audit.EVERYTHING, **more):
    return exporting.ask(world.runtime, form, choice, user_id=1, **more)


def _row(world, number) -> Export:
    with world.runtime.reading() as session:
        return exports.get(session, number)


def _make(world, goes_on=lambda: True) -> bool:
    return exporting.make_next(world.runtime, goes_on)


def _file(world, number) -> bytes:
    with world.runtime.reading() as session:
        return exporting.open_file(session, world.runtime, number)[1].read_bytes()


def test_a_small_export_is_given_at_once_and_written_down(busy):
    asked = _ask(busy)
    data = b"".join(asked.chunks)
    row = _row(busy, asked.number)
    assert (row.user_id, row.form, row.chosen, row.state) == (1, "csv", "", "sent")
    assert row.entries == row.size == data.count(b"\r\n") - 1
    assert (row.length, row.ended) == (len(data), busy.clock.now())
    assert asked.name == "ledger.csv"


def test_one_that_broke_off_is_written_down_too(busy):
    asked = _ask(busy)
    next(iter(asked.chunks))
    row = _row(busy, asked.number)
    assert (row.state, row.entries, row.ended) == ("sent", None, None)


@pytest.mark.parametrize("form", list(Format))
def test_a_large_one_becomes_a_file(busy, form, tmp_path):
    asked = _ask(busy, form, at_once=3)
    assert asked.chunks is None
    assert _row(busy, asked.number).state == "waiting"
    busy.text(phone(9), "NRC AAN")
    assert _make(busy)
    assert not _make(busy)
    row, data = _row(busy, asked.number), _file(busy, asked.number)
    assert (row.state, row.entries, row.length) == ("ready", row.size, len(data))
    if form is Format.BUNDLE:
        assert verify_bundle(io.BytesIO(data), vkey=busy.runtime.signer.key).ok
    elif form is Format.JSONL:
        assert data.count(b"\n") == row.size


def test_a_file_is_removed_after_a_day(busy):
    asked = _ask(busy, at_once=3)
    _make(busy)
    busy.clock.advance(hours=23)
    exporting.sweep(busy.runtime)
    assert _file(busy, asked.number)
    busy.clock.advance(hours=2)
    exporting.sweep(busy.runtime)
    assert _row(busy, asked.number).state == "gone"
    assert list((busy.runtime.settings.home / "exports").iterdir()) == []
    with pytest.raises(NotFound):
        _file(busy, asked.number)


def test_one_that_was_lost_on_the_way_is_made_again(busy):
    asked = _ask(busy, at_once=3)
    with busy.runtime.transaction() as session:
        row = exports.lock(session, asked.number)
        row.state, row.worker = "making", "killed"
        row.lease = busy.clock.now() + timedelta(seconds=60)
    assert not _make(busy)
    busy.clock.advance(seconds=61)
    assert _make(busy)
    assert _row(busy, asked.number).state == "ready"


def test_a_process_that_stops_leaves_it_to_the_next(busy):
    asked = _ask(busy, at_once=3)
    _make(busy, goes_on=lambda: False)
    assert _row(busy, asked.number).state == "waiting"
    assert list((busy.runtime.settings.home / "exports").iterdir()) == []
    _make(busy)
    assert _row(busy, asked.number).state == "ready"


def test_one_that_cannot_be_written_says_so(busy):
    asked = _ask(busy, at_once=3)
    (busy.runtime.settings.home / "exports").write_text("no directory")
    _make(busy)
    assert _row(busy, asked.number).state == "failed"


@pytest.mark.parametrize(
    ("choice", "events"),
    [
        (Choice(event="opt_out_all"), ["opt_out_all"]),
        (Choice(event="opt_out", list="nrc"), ["opt_out"]),
        (Choice(event="opt_out", list="sport"), []),
        (Choice(actor="subject", method="keyword"), [*["opt_in"] * 6, "opt_out_all", "opt_out"]),
    ],
)
def test_filters_take_only_what_was_chosen(busy, choice, events):
    data = b"".join(_ask(busy, Format.CSV, choice).chunks).decode()
    assert [row["event"] for row in csv.DictReader(io.StringIO(data))] == events


def test_filters_by_time_and_person(busy):
    stopped = next(one for one in busy.entries() if one.event.value == "opt_out_all")
    choice = Choice(subject=stopped.subject, since=busy.clock.now() - timedelta(minutes=5))
    lines = b"".join(_ask(busy, Format.JSONL, choice).chunks).splitlines()
    assert [parse(line) for line in lines] == [stopped]
    asked = _ask(busy, Format.JSONL, choice._replace(until=choice.since))
    assert b"".join(asked.chunks) == b""
    assert asked.name.endswith("-part.jsonl")
    assert exporting.read_choice(_row(busy, asked.number).chosen) == choice._replace(
        until=choice.since
    )


def test_a_bundle_is_always_whole(busy):
    asked = _ask(busy, Format.BUNDLE, Choice(event="opt_out"))
    assert _row(busy, asked.number).chosen == ""
    assert verify_bundle(io.BytesIO(b"".join(asked.chunks))).ok


def _sheets(data) -> list[list[list[str]]]:
    """Read the cells of every sheet; a formula has no place in any of them."""
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        for name in names:
            sheet = ET.fromstring(book.read(name))  # noqa: S314 - written by us
            assert sheet.findall(f".//{NAMESPACE}f") == []
            rows = sheet.findall(f".//{NAMESPACE}row")
            found.append([["".join(cell.itertext()) for cell in row] for row in rows])
    return found


def test_a_workbook_says_what_it_covers_and_has_a_row_for_every_entry(busy):
    asked = _ask(busy, Format.XLSX)
    about, entries = _sheets(b"".join(asked.chunks))
    size = _row(busy, asked.number).size
    assert ["Entries covered", str(size)] in about
    assert len(entries) == size + 1
    assert entries[0] == list(tabling.COLUMNS)
    part = _sheets(b"".join(_ask(busy, Format.XLSX, Choice(event="opt_out")).chunks))
    assert part[0][0][0] == "Note"
    assert len(part[1]) == 2


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 9])
def test_more_rows_than_fit_go_on_the_next_sheet(count):
    rows = [Stored(number, b"{}", bytes(32)) for number in range(count)]
    data = b"".join(tabling.to_xlsx([rows[:3], rows[3:]], [], rows_per_sheet=4))
    sheets = _sheets(data)[1:]
    assert [int(row[0]) for sheet in sheets for row in sheet[1:]] == list(range(count))
    assert len(sheets) == max(1, -(-count // 4))


@given(st.lists(st.text(), min_size=3, max_size=3), st.integers(-(2**53), 2**53))
def test_no_cell_of_any_form_is_a_formula(texts, number):
    actor, rule, reason = texts
    value = dict.fromkeys(tabling.COLUMNS, "x")
    value |= {"actor": actor, "rule": rule, "reason": reason, "prev": number, "notice": None}
    leaf = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stored = Stored(0, leaf, bytes(32))
    try:
        leaf.decode()
    except UnicodeDecodeError:
        return
    row = next(csv.reader(io.StringIO(b"".join(tabling.to_csv([[stored]])).decode(), newline="")))
    assert row[0] == "index"
    cells = tabling.safe_cells(stored)
    starts = ("=", "+", "-", "@", "\t", "\r", "\n")
    assert not any(str(cell).startswith(starts) for cell in cells)
    _sheets(b"".join(tabling.to_xlsx([[stored]], [("a", reason)])))


_WORDS = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["=1", "a,b", 'a"b', "a\nb", "é", " a "]
)


@given(
    st.dictionaries(st.sampled_from(["actor", "rule", "list", "reason"]), _WORDS),
    st.none() | st.integers(0, 2**53),
    st.booleans(),
)
def test_the_short_way_to_a_line_is_the_long_one(words, prev, has_notice):
    value = json.loads(CONSENT.to_bytes()) | words | {"prev": prev}
    value["notice"] = value["notice"] if has_notice else None
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    stored = Stored(7, text.encode("utf-8", "replace"), bytes(32))
    assert tabling.line(stored) == tabling.written(tabling.safe_cells(stored))


def test_the_short_way_is_taken_by_what_is_usual():
    assert tabling._PLAIN.fullmatch(CONSENT.to_bytes().decode())


def test_commands_and_pages_write_down_the_same(busy):
    asked = exporting.ask(busy.runtime, Format.JSONL, user_id=None, at_once=None)
    b"".join(asked.chunks)
    with busy.runtime.reading() as session:
        [(export, name)] = exports.recent(session, 5)
    assert (export.form, name) == ("jsonl", None)


def test_two_workers_do_not_make_the_same(busy):
    for _ in range(3):
        _ask(busy, at_once=3)
    claim = partial(exporting._claim, worker="one", now=busy.clock.now())
    assert [busy.runtime.run(claim) for _ in range(4)] == [1, 2, 3, None]
