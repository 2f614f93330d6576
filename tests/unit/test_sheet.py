"""CSV files of any kind: read whole, in pieces, or refused with the line named."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.core.errors import InvalidInput
from broadcaster.services import sheet

HEADER = "number,when,medium,wording,source\n"
ROW = "+15550100001,2026-03-03T14:00:00Z,paper,I agree to news,box 1\n"


def look(data):
    file = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    found = sheet.survey(file)
    return found, list(sheet.rows(file, found, offset=found.start, line=1))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_as_programs_write_it(delimiter, newline, bom):
    text = (HEADER + ROW).replace(",", delimiter).replace("\n", newline)
    found, (row,) = look(bom + text.encode())

    assert (found.delimiter, found.rows) == (delimiter, 1)
    assert row.cells[0] == "+15550100001"
    assert (row.line, row.last, row.end) == (2, 2, len(bom) + len(text))


def test_columns_may_stand_in_any_order_and_optional_ones_may_lack():
    _found, (row,) = look("form;source;wording;medium;when;number\nf;s;w;m;t;n\n")

    assert tuple(row.cells) == ("n", "t", "m", "w", "s", "", "f")


def test_blank_lines_are_no_rows_and_broken_rows_are_told_apart():
    _found, rows = look(HEADER + "\n" + ROW + "a,b\n\n" + ROW.strip() + ",more\n")

    assert [(row.line, row.cells is None) for row in rows] == [(3, False), (4, True), (6, True)]


def test_a_field_between_quotation_marks_may_hold_line_breaks():
    _found, rows = look(HEADER + '+1,now,paper,"one\ntwo, ""three""",s\n' + ROW)

    assert rows[0].cells[3] == 'one\ntwo, "three"'
    assert [(row.line, row.last) for row in rows] == [(2, 3), (4, 4)]


REFUSED = {
    "nothing": (b"", "Line 1: the header lacks"),
    "no header": (ROW.encode(), "Line 1: the header lacks"),
    "a column too many": (b"name," + HEADER.encode(), "1 columns are unknown"),
    "a column twice": (b"number," + HEADER.encode(), "named twice"),
    "Latin-1": ((HEADER + ROW + "é").encode("latin-1"), "Line 3: byte 96 "),
    "UTF-16": ((HEADER + ROW).encode("utf-16"), "UTF-16"),
    "a zero byte": ((HEADER + ROW).encode() + b"a\x00b", "Line 3: there is a zero byte"),
    "zeros": (bytes(1_000_000), "Line 1: there is a zero byte"),
    "an endless line": ((HEADER + "x" * 70_000).encode(), "Line 2: it has more than"),
    "an open mark": ((HEADER + '"' + "x\n" * 600).encode(), "is not closed"),
    "an open mark at the end": ((HEADER + ROW + '"x').encode(), "Line 3: a quotation mark"),
    "a mark inside": ((HEADER + 'a,"b"c,d,e,f\n').encode(), "Line 2: a quotation mark"),
    "old line breaks": ((HEADER + "a\rb\n").encode(), "Line 2: a quotation mark or line break"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(name):
    data, said = REFUSED[name]

    with pytest.raises(InvalidInput) as refused:
        look(data)

    assert said in str(refused.value)
    assert "1555" not in str(refused.value)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=20)


@given(
    rows=st.lists(st.lists(CELLS, min_size=5, max_size=5), max_size=20),
    delimiter=st.sampled_from(",;\t"),
    data=st.data(),
)
def test_reading_goes_on_from_any_row(rows, delimiter, data):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([HEADER.strip().split(","), *rows])
    file = io.BytesIO(text.getvalue().encode())
    found = sheet.survey(file)
    every = list(sheet.rows(file, found, offset=found.start, line=1))
    assert [list(row.cells)[:5] for row in every] == rows
    assert found.rows == len(rows)

    if every:
        at = data.draw(st.integers(0, len(every) - 1))
        rest = list(sheet.rows(file, found, offset=every[at].end, line=every[at].last))
        assert rest == every[at + 1 :]
