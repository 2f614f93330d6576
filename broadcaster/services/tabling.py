"""Entries as the rows of a table: CSV and xlsx, with no cell that a spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broadcaster.storage.taking import Stored

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

COLUMNS = (
    "index",
    "recorded",
    "occurred",
    "subject",
    "event",
    "state",
    "list",
    "channel",
    "method",
    "rule",
    "notice",
    "notice_version",
    "actor",
    "reason",
    "previous",
    "leaf_hash",
)
#: So many rows fit on a sheet, below its head.
ROWS_PER_SHEET = 1_048_575
_CHUNK = 256 * 1024
# A cell that begins like this is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# Where the bytes of an entry hold none of these, no cell of it begins like that.
_MAY_BE_FORMULA = re.compile(rb':\s*(?:-|"[=+\-@\\])')
# A cell of a spreadsheet holds 32,767 characters.
_LONGEST_CELL = 32_000
_CUT = " … (cut; the whole is in JSONL and in the bundle)"


def as_text(cell: object) -> str:
    """Write a cell so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    text = str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def cells(stored: Stored) -> list[Any]:
    """Return an entry's cells, as its own bytes say them; the last is its hash."""
    try:
        value = json.loads(stored.leaf)
        if "kind" in value:
            return _of_document(stored, value)
        notice = value["notice"]
        return [
            stored.idx,
            value["recorded"],
            value["occurred"],
            value["subject"],
            value["event"],
            value["state"],
            value["list"],
            value["channel"],
            value["method"],
            value["rule"],
            notice["sha256"] if notice else "",
            notice["version"] if notice else "",
            value["actor"],
            value["reason"] or "",
            "" if value["prev"] is None else value["prev"],
            stored.leaf_hash.hex(),
        ]
    except (ValueError, KeyError, TypeError):
        blank = [""] * (len(COLUMNS) - 6)
        return [stored.idx, "", "", "", "unreadable", *blank, stored.leaf_hash.hex()]


def _of_document(stored: Stored, value: Mapping[str, Any]) -> list[Any]:
    blank = [""] * (len(COLUMNS) - 6)
    kind = f"document {value['kind']}"
    return [stored.idx, value["recorded"], "", "", kind, *blank, stored.leaf_hash.hex()]


def safe_cells(stored: Stored) -> list[Any]:
    """Return an entry's cells, none of which a spreadsheet takes for a formula."""
    row = cells(stored)
    if _MAY_BE_FORMULA.search(stored.leaf):
        return [as_text(cell) for cell in row]
    return row


def to_csv(pieces: Iterable[Sequence[Stored]]) -> Iterator[bytes]:
    """Yield CSV (RFC 4180), a chunk for each piece."""
    yield written(COLUMNS).encode()
    for piece in pieces:
        yield "".join([line(stored) for stored in piece]).encode()


def line(stored: Stored) -> str:
    """Return an entry as a line of CSV."""
    found = _PLAIN.fullmatch(stored.leaf.decode(errors="replace"))
    if found is None:
        return written(safe_cells(stored))
    actor, channel, event, list_, method, notice, version, *others = found.groups("")
    occurred, prev, reason, recorded, rule, state, subject = others
    return (
        f"{stored.idx},{recorded},{occurred},{subject},{event},{state},{list_},{channel},{method},"
        f"{rule},{notice},{version},{actor},{reason},{prev},{stored.leaf_hash.hex()}\r\n"
    )


def written(row: Sequence[object]) -> str:
    """Return cells as a line of CSV, with quotation marks where it takes them."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(row)
    return buffer.getvalue()


def _plain_entry() -> re.Pattern[str]:
    """Read an entry of the usual form: its keys in order, and no value that CSV must quote.

    That is several times as fast as reading it as JSON. Whatever else there is takes the long way.
    """
    kept = r'"([^"\\,=+\-@\x00-\x1f\ufffd][^"\\,\x00-\x1f\ufffd]*)"'
    other = r'"[^"\\]*"'
    notice = rf'\{{"id":{other},"lang":{other},"sha256":{kept},"version":([0-9]+)\}}'
    fields = {
        "actor": kept,
        "basis": other,
        "channel": kept,
        "config": other,
        "event": kept,
        "evidence": other,
        "id": other,
        "list": kept,
        "method": kept,
        "notice": f"(?:null|{notice})",
        "occurred": kept,
        "prev": "(?:null|([0-9]+))",
        "purpose": other,
        "reason": f"(?:null|{kept})",
        "recorded": kept,
        "rule": kept,
        "state": kept,
        "subject": kept,
        "terms": r"(?:null|\{[^{}]*\})",
        "v": '"broadcaster/consent/1"',
        "validity": other,
    }
    return re.compile(r"\{" + ",".join(f'"{name}":{form}' for name, form in fields.items()) + r"\}")


_PLAIN = _plain_entry()


def to_xlsx(
    pieces: Iterable[Sequence[Stored]],
    about: Sequence[tuple[str, str]],
    *,
    rows_per_sheet: int = ROWS_PER_SHEET,
) -> Iterator[bytes]:
    """Yield a workbook; more rows than fit on a sheet go on the next one.

    It is written to a temporary file first, a row at a time, so memory stays flat.

    Args:
        pieces: the entries, in pieces.
        about: what stands on the first sheet, a line each.
        rows_per_sheet: how many rows a sheet takes.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.xlsx"
        _write_workbook(path, pieces, about, rows_per_sheet)
        with path.open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK), b"")


def _write_workbook(
    path: Path,
    pieces: Iterable[Sequence[Stored]],
    about: Sequence[tuple[str, str]],
    rows_per_sheet: int,
) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "tmpdir": str(path.parent),
    }
    # Only who wants a workbook needs its library: it takes 12 MiB.
    from xlsxwriter import Workbook  # noqa: PLC0415

    with Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True})
        _write_about(book.add_worksheet("About"), about)
        for number, sheet_rows in enumerate(_sheets(pieces, rows_per_sheet), start=1):
            sheet = book.add_worksheet(f"Entries {number}" if number > 1 else "Entries")
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(COLUMNS) - 1, 18)
            _write_row(sheet, 0, COLUMNS, bold)
            for place, stored in enumerate(sheet_rows, start=1):
                _write_row(sheet, place, cells(stored), None)


def _write_about(sheet: Worksheet, about: Sequence[tuple[str, str]]) -> None:
    sheet.set_column(0, 1, 28)
    for place, line in enumerate(about):
        _write_row(sheet, place, line, None)


def _sheets(pieces: Iterable[Sequence[Stored]], rows_per_sheet: int) -> Iterator[Iterator[Stored]]:
    """Cut the entries into sheets; there is always one, and each is read before the next."""
    rows = (stored for piece in pieces for stored in piece)
    following = next(rows, None)

    def sheet(first: Stored | None) -> Iterator[Stored]:
        nonlocal following
        following = first
        for _ in range(rows_per_sheet):
            if following is None:
                return
            yield following
            following = next(rows, None)

    yield sheet(following)
    while following is not None:
        yield sheet(following)


def _write_row(sheet: Worksheet, place: int, row: Sequence[object], form: Any) -> None:  # noqa: ANN401 - the library's own
    for column, cell in enumerate(row):
        if isinstance(cell, int):
            sheet.write_number(place, column, cell, form)
        elif cell:
            text = str(cell)
            whole = text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + _CUT
            sheet.write_string(place, column, whole, form)
