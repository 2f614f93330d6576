"""A reason that anybody may read for ever names nobody."""

from __future__ import annotations

import pytest

from broadcaster.core.errors import InvalidInput
from broadcaster.core.reasons import check_public


@pytest.mark.parametrize(
    "reason",
    [
        "asked by +31612345678",
        "asked by + 31 6 1234 5678",
        "0612345678 rang",
        "06 12 34 56 78 rang",
        "06-12345678 rang",
        "020-555 01 23 rang",
        "31612345678",
        "anna@example.org wrote",
        "",
        "   ",
        "two\nlines",
        "x" * 501,
    ],
)
def test_what_tells_of_somebody_is_refused(reason):
    with pytest.raises(InvalidInput):
        check_public(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "asked for it on 3 March",
        "asked for it on 2026-03-03",
        "asked for it on 03-03-2026 14:00",
        "case 20260303, letter 17",
        " moved from our old system ",
    ],
)
def test_what_says_why_is_kept(reason):
    assert check_public(reason) == reason.strip()
