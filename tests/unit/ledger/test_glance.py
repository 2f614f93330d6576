"""The quick look at many leaves says what parsing each of them says, or leaves them to the parser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.ledger.entry import ConsentEntry, TermsReference, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.glance import glance
from broadcaster.ledger.histories import NO_ENTRY
from broadcaster.ledger.words import Channel, Event, Method, State

HEX = "0123456789abcdef"
#: What a byte of a leaf might be changed to.
BYTES = b'0123456789aAgzZ"\\ -+.{}[]:,TnN\n\x00\x7f\xff*'


def looked_at(leaves):
    """What a look at all of them says of each: subject and prev; and which notices and terms."""
    seen = glance(leaves)
    if seen is None:
        return None
    prevs = [None if prev == NO_ENTRY else prev for prev in seen.prevs]
    subjects = [subject.hex() for subject in seen.subjects]
    return list(zip(subjects, prevs, strict=True)), seen.notices, seen.terms


def parsed(leaves):
    """What parsing each of them says; None where one is refused or is no consent entry."""
    try:
        entries = [parse(leaf) for leaf in leaves]
    except LedgerError:
        return None
    if not all(isinstance(entry, ConsentEntry) for entry in entries):
        return None
    return (
        [(entry.subject, entry.prev) for entry in entries],
        {entry.notice.sha256 for entry in entries if entry.notice is not None},
        {entry.terms.sha256 for entry in entries if entry.terms is not None},
    )


def check(leaves):
    """Whatever is not left to the parser is what the parser says."""
    found = looked_at(leaves)
    assert found is None or found == parsed(leaves)
    return found


@st.composite
def consents(draw, log):
    """Entries of few kinds, so that many share a layout."""
    moment = log.moment + timedelta(microseconds=draw(st.integers(0, 10**14)))
    return replace(
        log.consent,
        id="6fa459ea-ee8a-4ca4-894e-" + draw(st.text(HEX, min_size=12, max_size=12)),
        subject=draw(st.text(HEX, min_size=32, max_size=32)),
        evidence=draw(st.text(HEX, min_size=64, max_size=64)),
        event=draw(st.sampled_from([Event.OPT_IN, Event.OPT_OUT, Event.ERASED, Event.IMPORT])),
        reason=draw(st.sampled_from(["voorjaar", " a ", "é", 'say "why"', "x" * 1001])),
        state=draw(st.sampled_from(State)),
        channel=draw(st.sampled_from(Channel)),
        method=draw(st.sampled_from([Method.KEYWORD, Method.BUTTON, Method.IMPORT])),
        list=draw(st.sampled_from(["nrc", "vpr", "é", 'a"b', "x" * 200])),
        occurred=moment,
        recorded=draw(st.sampled_from([moment, log.moment])),
        prev=draw(st.none() | st.integers(0, 9) | st.integers(990, 1010) | st.integers(0, 10**9)),
        notice=draw(st.sampled_from([None, log.consent.notice])),
        terms=draw(st.sampled_from([None, TermsReference(version=1, sha256="ab" * 32)])),
    )


@settings(max_examples=100)
@given(st.data())
def test_a_look_at_many_sees_what_parsing_sees(log, data):
    leaves = [one.to_bytes() for one in data.draw(st.lists(consents(log), max_size=40))]
    leaves += log.make_leaves(data.draw(st.integers(1, 5)))[1:] or [log.consent.to_bytes()]
    check(leaves)
    for leaf in leaves:
        check([leaf])


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_changed_among_many_is_never_seen_as_the_parser_does_not(log, data):
    leaves = [one.to_bytes() for one in data.draw(st.lists(consents(log), min_size=1, max_size=8))]
    check(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    leaf = leaves[place]
    at = data.draw(st.integers(0, len(leaf)))
    put = bytes(
        data.draw(st.lists(st.sampled_from([one for one in BYTES if one != 10]), max_size=4))
    )
    leaves[place] = leaf[:at] + put + leaf[at + data.draw(st.integers(0, 4)) :]
    check(leaves)
    check([leaves[place]])


def imported(log):
    return replace(
        log.consent, event=Event.IMPORT, method=Method.IMPORT, actor="cli", reason="from paper"
    )


def test_no_single_byte_passes_that_would_not_be_parsed(log):
    for entry in (log.consent, replace(log.consent, prev=1234), imported(log)):
        leaf = entry.to_bytes()
        for at in range(len(leaf)):
            for byte in BYTES.replace(b"\n", b""):
                check([leaf[:at] + bytes([byte]) + leaf[at + 1 :]])


def test_it_knows_no_day_that_the_calendar_does_not_have(log):
    leaf = log.consent.to_bytes()
    for month in range(14):
        for day in range(33):
            check([leaf.replace(b"2026-01-31", b"2026-%02d-%02d" % (month, day))])


@pytest.mark.parametrize(
    "more", [b"x", b" ", b"{", b"\r", b"\x00", b"\x0b", b"\x85", b"\xe2\x80\xa8"]
)
def test_a_line_that_only_holds_an_entry_is_none(log, more):
    leaf = log.consent.to_bytes()
    for leaves in ([more + leaf], [leaf + more], [leaf, more + leaf], [leaf + more, leaf]):
        assert looked_at(leaves) is None
    assert looked_at([leaf, b""]) is None
    assert looked_at([b"", leaf]) is None


def test_what_people_do_for_others_is_seen_with_its_reason_only(log):
    for entry in (
        imported(log),
        replace(imported(log), method=Method.KEYWORD),
        replace(imported(log), event=Event.OPT_IN),
        replace(log.consent, reason="asked by telephone"),
    ):
        leaf = entry.to_bytes()
        assert check([leaf, leaf]) is not None
        given = f'"reason":"{entry.reason}"'.encode()
        for other in (b"null", b'""', b'"   "', b'"\\u0020"', b'"a\\"', b"1"):
            check([leaf.replace(given, b'"reason":' + other)])
    for spaces in (999, 70_000):
        check([imported(log).to_bytes().replace(b"from paper", b" " * spaces + b"x")])
    without = imported(log).to_bytes().replace(b'"reason":"from paper"', b'"reason":null')
    assert looked_at([without]) is None


def test_ordinary_entries_are_seen_and_documents_are_left(log):
    leaves = log.make_leaves(10)
    assert check(leaves[1:]) is not None
    assert looked_at(leaves) is None
    assert looked_at([log.document.to_bytes()]) is None
