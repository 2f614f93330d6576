"""The quick look at many leaves says what parsing each of them says, or leaves them to the parser."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.ledger.entry import ConsentEntry, TermsReference, parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.glance import _LAYOUTS, Glance
from broadcaster.ledger.words import Channel, Event, Method, State

HEX = "0123456789abcdef"
#: What a byte of a leaf might be changed to.
BYTES = b'0123456789aAgzZ"\\ -+.{}[]:,TnN\n\x00\x7f\xff*'


def looked_at(leaves, glance=None):
    """What a look says of each leaf: subject, prev, notice and terms; None where it is left."""
    seen, unknown = (glance or Glance()).look(leaves)
    found = dict.fromkeys(unknown)
    for some in seen:
        prevs = [None] * len(some.places) if some.prevs is None else some.prevs
        for place, subject, prev in zip(some.places, some.subjects, prevs, strict=True):
            assert place not in found
            found[place] = (subject.hex(), prev, some.notice, some.terms)
    assert sorted(found) == [*range(len(leaves))]
    assert unknown == sorted(unknown)
    return [found[place] for place in range(len(leaves))]


def parsed(leaf):
    """What parsing says of a leaf; None where it is refused or no consent entry."""
    try:
        entry = parse(leaf)
    except LedgerError:
        return None
    if not isinstance(entry, ConsentEntry):
        return None
    notice, terms = entry.notice, entry.terms
    return (entry.subject, entry.prev, notice and notice.sha256, terms and terms.sha256)


def check(leaves, glance=None):
    """Whatever is not left to the parser is what the parser says."""
    for leaf, found in zip(leaves, looked_at(leaves, glance), strict=True):
        if found is not None:
            assert found == parsed(leaf)


@st.composite
def consents(draw, log):
    """Entries of few kinds, so that many share a layout."""
    moment = log.moment + timedelta(microseconds=draw(st.integers(0, 10**14)))
    return replace(
        log.consent,
        id="6fa459ea-ee8a-4ca4-894e-" + draw(st.text(HEX, min_size=12, max_size=12)),
        subject=draw(st.text(HEX, min_size=32, max_size=32)),
        evidence=draw(st.text(HEX, min_size=64, max_size=64)),
        event=draw(st.sampled_from([Event.OPT_IN, Event.OPT_OUT, Event.ERASED])),
        state=draw(st.sampled_from(State)),
        channel=draw(st.sampled_from(Channel)),
        method=draw(st.sampled_from([Method.KEYWORD, Method.BUTTON])),
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
    leaves += log.make_leaves(data.draw(st.integers(0, 5)))
    glance = Glance()
    check(leaves, glance)
    check(leaves[::-1], glance)


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_changed_among_many_is_never_seen_as_the_parser_does_not(log, data):
    leaves = [one.to_bytes() for one in data.draw(st.lists(consents(log), min_size=1, max_size=8))]
    leaves *= data.draw(st.integers(1, 3))
    glance = Glance()
    check(leaves, glance)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(leaves) - 1))
        leaf = leaves[place]
        at = data.draw(st.integers(0, len(leaf)))
        put = bytes(data.draw(st.lists(st.sampled_from(BYTES), max_size=4)))
        leaves[place] = leaf[:at] + put + leaf[at + data.draw(st.integers(0, 4)) :]
    check(leaves, glance)


def test_no_single_byte_passes_among_others_that_would_not_be_parsed(log):
    for entry in (log.consent, replace(log.consent, prev=1234)):
        leaf, glance = entry.to_bytes(), Glance()
        for at in range(len(leaf)):
            check(
                [leaf, *(leaf[:at] + bytes([byte]) + leaf[at + 1 :] for byte in BYTES), leaf],
                glance,
            )


def test_it_knows_no_day_and_no_hour_that_the_calendar_does_not_have(log):
    leaf = log.consent.to_bytes()
    days = [b"2026-%02d-%02d" % (month, day) for month in range(14) for day in range(33)]
    days += [b"%04d-02-29" % year for year in (0, 1900, 2000, 2023, 2024)]
    for field in (b'"occurred":"', b'"recorded":"'):
        changed = [leaf.replace(field + b"2026-01-31", field + day) for day in days]
        check([leaf, *changed])
        for one in changed:
            check([leaf, one, leaf])
        times = [b"T%02d:00:00" % hour for hour in range(30)]
        times += [b"T09:%02d:00" % minute for minute in range(70)]
        times += [b"T09:00:%02d" % second for second in range(70)]
        at = leaf.index(field) + len(field) + 10
        check([leaf, *(leaf[:at] + time + leaf[at + 9 :] for time in times)])


def test_one_that_is_wrong_costs_the_others_nothing(log):
    leaves = log.make_leaves(500)
    wrong = leaves[250].replace(b"T09:", b"T29:")
    found = looked_at([*leaves[:250], wrong, *leaves[251:]])
    assert [place for place, one in enumerate(found) if one is None] == [0, 250]


def test_where_others_name_none_they_are_told_apart(log):
    """Null is as long as 1234."""
    leaves = [replace(log.consent, prev=prev).to_bytes() for prev in (1234, None, 5678, None)]
    assert [one and one[1] for one in looked_at(leaves)] == [1234, None, 5678, None]
    assert None not in looked_at(leaves)


def test_more_layouts_than_are_remembered_are_all_seen(log):
    lists = [f"{number:04}" for number in range(3 * _LAYOUTS)]
    leaves = [replace(log.consent, list=name).to_bytes() for name in lists]
    glance = Glance()
    for _ in range(2):
        assert None not in looked_at(leaves, glance)


def test_ordinary_entries_are_seen_and_documents_are_left(log):
    assert None not in looked_at(log.make_leaves(10)[1:])
    assert looked_at([log.document.to_bytes()]) == [None]
    assert looked_at([]) == []
