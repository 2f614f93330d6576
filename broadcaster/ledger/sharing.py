"""Reading the entries of a bundle by several processes, each of which takes some lines at a time.

Each gives back what no one else needs the lines for: the subtrees of the log that they make up,
whom they name, and which documents. What is not as plain as nearly all entries are is read again by
the process that asked, as if there were no others: so all say the same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import NamedTuple

from broadcaster.ledger import histories
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.glance import glance_at
from broadcaster.ledger.merkle import complete_subtrees, leaf_hashes
from broadcaster.ledger.unbundle import Bundle, Span


class Share(NamedTuple):
    """What was found in a span of lines.

    Attributes:
        span: Which.
        first: The index of its first entry.
        found: None where it has to be read as if there were no others.
    """

    span: Span
    first: int
    found: Found | None


class Found(NamedTuple):
    """What is left to be known of entries.

    Attributes:
        subtrees: What `merkle.complete_subtrees` gives for them.
        packed: What `histories.pack` gives for them.
        notices: SHA-256 of every notice that they name, hex.
        terms: SHA-256 of all terms that they name, hex.
    """

    subtrees: list[tuple[int, bytes]]
    packed: list[bytes]
    notices: set[str]
    terms: set[str]


def shares(bundle: Bundle, file: int, helpers: int) -> Iterator[Share]:
    """Yield what is in the entries of a bundle, in their order.

    Call it in a process without other threads only: its helpers are copies of it.

    Args:
        bundle: The bundle, its manifest read.
        file: The descriptor of its file.
        helpers: How many processes take lines.

    Raises:
        BundleError: see `Bundle.read_spans`.
        OSError: a helper was ended from outside.
    """
    waiting: deque[tuple[Span, int, Future[Found | None]]] = deque()
    with ProcessPoolExecutor(helpers, mp_context=get_context("fork")) as pool:
        # They are made at the first call, while there are no threads yet.
        pool.submit(int).result()
        first = 0
        try:
            for span in bundle.read_spans():
                waiting.append((span, first, pool.submit(_look, file, span, first)))
                first += span.lines
                if len(waiting) > 2 * helpers:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        except BrokenProcessPool as error:
            message = "a process that helped was ended from outside; verify again"
            raise OSError(message) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[Span, int, Future[Found | None]]]) -> Share:
    span, first, future = waiting.popleft()
    return Share(span, first, future.result())


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
