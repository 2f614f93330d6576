"""Reading the entries of a bundle by several processes, each of which takes some lines at a time.

Each gives back what no one else needs the lines for: the subtrees of the log that they make up,
whom they name, and which documents. What is not as plain as nearly all entries are is read again by
the process that asked, as if there were no others.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, Self

from broadcaster.ledger import histories
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.glance import glance_at
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.merkle import complete_subtrees, leaf_hashes
from broadcaster.ledger.reading import Found, Reading
from broadcaster.ledger.unbundle import Bundle, Span

# More of them only wait for the one that reads the file.
_MOST = 8
# So many spans wait for each helper, so that it need not wait for the next.
_AHEAD = 2


class _Asked(NamedTuple):
    """A span that a helper looks at, and the index of its first entry."""

    span: Span
    first: int
    helper: Connection


class Helpers:
    """Copies of this process that look at lines of a file, as long as the context lasts.

    Use it in a process without other threads only. Where none can be made there are none.

    Args:
        file: The descriptor of the file.
        wanted: How many processes there should be.
    """

    def __init__(self, file: int, wanted: int) -> None:
        self._file = file
        self._wanted = min(wanted, _MOST)
        self._stack = ExitStack()
        self.connections: list[Connection] = []

    def __enter__(self) -> Self:
        context = get_context("fork")
        for _ in range(self._wanted):
            try:
                ours, theirs = context.Pipe()
                given = (self._file, theirs, [*self.connections, ours])
                process = context.Process(target=_help, args=given, daemon=True)
                process.start()
            except OSError:
                # There is no room for another one: those that there are will do.
                break
            theirs.close()
            self._stack.callback(process.join)
            self._stack.callback(ours.close)
            self.connections.append(ours)
        return self

    def __exit__(self, *_error: object) -> None:
        # A helper ends when nobody can ask it any more.
        for one in self.connections:
            one.close()
        self._stack.close()


def read_shared(
    bundle: Bundle, helpers: Sequence[Connection], histories: Histories, *, anchor: int
) -> Reading:
    """Read every entry of a bundle once, as `reading.read_entries` does, with the help of others.

    Args:
        bundle: The bundle, its manifest read.
        helpers: At least one, each of which can read its file.
        histories: Gets the `prev` of every consent entry, to be checked afterwards.
        anchor: The size at which to look at the root; 0 for none.

    Raises:
        EntryError: an entry is not canonical or breaks the rules of its version; its index is said.
        BundleError: the file is damaged.
        OSError: a helper was ended from outside.
    """
    reading = Reading()
    for span, first, found in _looked_at(bundle, helpers):
        if found is not None and not first < anchor <= first + span.lines:
            reading.take(found, histories)
            continue
        leaves = bundle.read_lines(span)
        reading.note_all(leaves, histories)
        reading.grow(leaves, anchor)
    return reading


def _looked_at(
    bundle: Bundle, helpers: Sequence[Connection]
) -> Iterator[tuple[Span, int, Found | None]]:
    """Let helpers look at one span after the other in turn, and yield what each has found."""
    waiting: deque[_Asked] = deque()
    first = 0
    for number, span in enumerate(bundle.read_spans()):
        asked = _Asked(span, first, helpers[number % len(helpers)])
        first += span.lines
        if len(waiting) >= _AHEAD * len(helpers):
            yield _answer(waiting.popleft())
        _ask(asked)
        waiting.append(asked)
    while waiting:
        yield _answer(waiting.popleft())


def _ask(asked: _Asked) -> None:
    try:
        asked.helper.send((asked.span, asked.first))
    except BrokenPipeError as error:
        raise _ended() from error


def _answer(asked: _Asked) -> tuple[Span, int, Found | None]:
    try:
        return asked.span, asked.first, asked.helper.recv()
    except (EOFError, ConnectionError) as error:
        raise _ended() from error


def _ended() -> OSError:
    return OSError("a process that helped was ended from outside; verify again")


def _help(file: int, asked: Connection, others: Sequence[Connection]) -> None:
    """Look at what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # These are ends of who asks. While a helper holds them no other one sees that it is gone.
    for one in others:
        one.close()
    while True:
        try:
            asked.send(_look(file, *asked.recv()))
        except (EOFError, ConnectionError):
            return


def _look(file: int, span: Span, first: int) -> Found | None:
    """Look at some lines; None if not all of them are as plain as nearly all entries are."""
    read = os.pread(file, span.length, span.offset)
    lines = read.split(b"\n")
    if lines.pop() or len(lines) != span.lines or max(map(len, lines)) > MAX_LEAF_BYTES:
        return None
    seen = glance_at(read, len(lines))
    if seen is None:
        return None
    return Found(
        subtrees=list(complete_subtrees(first, leaf_hashes(lines))),
        packed=histories.pack(first, seen.subjects, seen.prevs),
        notices=seen.notices,
        terms=seen.terms,
    )
