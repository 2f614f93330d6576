"""A CSV file of any size: looked through as a whole first, then read from any row on.

What makes a file unreadable is found before its first row counts, and names the line.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import IO, NamedTuple, NoReturn

from broadcaster.core.errors import InvalidInput
from broadcaster.core.importing import OPTIONAL, REQUIRED

_LONGEST_LINE = 65_536
# A field between quotation marks may hold line breaks; a mark that is never closed holds them all.
_MOST_LINES = 500
_DELIMITERS = (";", ",", "\t")
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_COLUMNS = (*REQUIRED, *OPTIONAL)


class Row(NamedTuple):
    """A row of the file.

    Args:
        line: the number of its first line, from 1.
        last: the number of its last line.
        end: how many bytes of the file end with it.
        cells: in the order of the columns; None if there are too few or too many.
    """

    line: int
    last: int
    end: int
    cells: Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file that can be read.

    Args:
        sha256: hash of all its bytes.
        delimiter: what stands between two fields.
        columns: how the header names them.
        start: how many bytes the header takes.
        rows: how many rows there are below it.
    """

    sha256: str
    delimiter: str
    columns: tuple[str, ...]
    start: int
    rows: int


def survey(file: IO[bytes]) -> Sheet:
    """Look through the whole file, in constant memory.

    Raises:
        InvalidInput: it is not UTF-8, no CSV, or has not the columns it must have; the message
            names the line.
    """
    file.seek(0)
    lines = _Lines(file, offset=0, line=0, hashed=True)
    delimiter, columns = _header(next(lines, ""))
    start, rows = lines.offset, 0
    for row in _parsed(lines, delimiter):
        rows += bool(row)
    return Sheet(
        sha256=lines.digest.hexdigest(),
        delimiter=delimiter,
        columns=columns,
        start=start,
        rows=rows,
    )


def rows(file: IO[bytes], sheet: Sheet, *, offset: int, line: int) -> Iterator[Row]:
    """Yield the rows from an offset on; blank lines are none.

    Args:
        file: the file.
        sheet: what `survey` said about it.
        offset: where a row begins, in bytes.
        line: how many lines are before that.
    """
    width = len(sheet.columns)
    # What the file does not have is looked up behind its last column, where nothing is.
    places = [sheet.columns.index(one) if one in sheet.columns else width for one in _COLUMNS]
    arrange = itemgetter(*places)
    file.seek(offset)
    lines = _Lines(file, offset=offset, line=line)
    before = line
    for cells in _parsed(lines, sheet.delimiter):
        if cells:
            is_whole = len(cells) == width
            cells.append("")
            in_order = arrange(cells) if is_whole else None
            yield Row(before + 1, lines.line, lines.offset, in_order)
        before = lines.line


class _Lines:
    """The lines of a file as text, each checked, with the place that was reached."""

    def __init__(self, file: IO[bytes], *, offset: int, line: int, hashed: bool = False) -> None:
        self.offset = offset
        self.line = line
        self.since = 0
        self.digest = hashlib.sha256()
        self._file = file
        self._hashed = hashed

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST_LINE + 1)
        if not raw:
            raise StopIteration
        self.line += 1
        self.since += 1
        if self._hashed:
            self._check(raw)
        self.offset += len(raw)
        if self.line == 1:
            raw = raw.removeprefix(_BOM)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            place = self.offset - len(raw) + error.start
            _refuse(self.line, f"byte {place:,} of the file is not UTF-8; save it as 'CSV UTF-8'")

    def _check(self, raw: bytes) -> None:
        self.digest.update(raw)
        if self.line == 1 and raw.startswith(_UTF16):
            _refuse(1, "the file is UTF-16; save it as 'CSV UTF-8'")
        if b"\x00" in raw:
            _refuse(self.line, "there is a zero byte; this is no text file")
        if len(raw) > _LONGEST_LINE:
            _refuse(self.line, f"it has more than {_LONGEST_LINE:,} bytes; this is no such file")
        if self.since > _MOST_LINES:
            _refuse(self.line, "a quotation mark further up is not closed")


def _parsed(lines: _Lines, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            lines.since = 0
            yield row
    except csv.Error:
        where = "a quotation mark or line break stands where none may be, or one is not closed"
        _refuse(lines.line, where)


def _header(text: str) -> tuple[str, tuple[str, ...]]:
    """Find out what stands between the fields, and how they are named.

    The right delimiter is the one with which the names are known.
    """
    best: tuple[str, tuple[str, ...]] = (_DELIMITERS[0], ())
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([text], delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        columns = tuple(name.strip().lower() for name in names)
        if len(set(columns) & set(_COLUMNS)) > len(set(best[1]) & set(_COLUMNS)):
            best = (delimiter, columns)
    _check_columns(best[1])
    return best


def _check_columns(columns: tuple[str, ...]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        what = f"the header lacks {', '.join(missing)}; it names {', '.join(REQUIRED)}"
        _refuse(1, f"{what}, and may name {' and '.join(OPTIONAL)}")
    unknown = len(set(columns) - set(_COLUMNS))
    if unknown:
        # They are not repeated: where the header is missing, the first row stands here.
        _refuse(1, f"{unknown} columns are unknown here; leave out what is no proof")
    if len(set(columns)) < len(columns):
        _refuse(1, "a column is named twice")


def _refuse(line: int, what: str) -> NoReturn:
    message = f"Line {line:,}: {what}. Nothing was imported from it."
    raise InvalidInput(message)
