"""Entries: what is written is read, nothing else is, and no more is promised than is known."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import canonical
from broadcaster.ledger.entry import (
    MAX_LEAF_BYTES,
    Channel,
    ConsentEntry,
    DocumentEntry,
    DocumentKind,
    Event,
    Method,
    NoticeReference,
    State,
    TermsReference,
    document_hash,
    evidence_commitment,
    parse,
)
from broadcaster.ledger.errors import CanonicalError, EntryError
from broadcaster.ledger.fields import format_moment
from broadcaster.ledger.glance import change, glance

HEX32 = st.text("0123456789abcdef", min_size=32, max_size=32)
HEX64 = st.text("0123456789abcdef", min_size=64, max_size=64)
NAMES = st.from_regex(r"[A-Za-z0-9*é][A-Za-z0-9é :/_-]{0,20}[a-z]", fullmatch=True)
MOMENTS = st.datetimes(timezones=st.just(UTC))
INDEXES = st.integers(0, canonical.MAX_INTEGER)
NOTICES = st.builds(
    NoticeReference,
    id=NAMES,
    version=st.integers(1, 1000),
    sha256=HEX64,
    lang=st.sampled_from(["nl", "en-GB"]),
)
TERMS = st.builds(TermsReference, version=st.integers(1, 1000), sha256=HEX64)
CONSENTS = st.builds(
    ConsentEntry,
    id=st.uuids(version=4).map(str),
    subject=HEX32,
    event=st.sampled_from(Event),
    state=st.sampled_from(State),
    list=NAMES,
    purpose=NAMES,
    basis=NAMES,
    channel=st.sampled_from(Channel),
    method=st.sampled_from(Method),
    rule=NAMES,
    occurred=MOMENTS,
    recorded=MOMENTS,
    validity=st.sampled_from(["until-withdrawn", "P2Y", "P30D", "P1Y6M", "P4W", "PT12H"]),
    notice=st.none() | NOTICES,
    terms=st.none() | TERMS,
    config=HEX64,
    actor=NAMES,
    reason=st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: "why " + text),
    prev=st.none() | INDEXES,
    evidence=HEX64,
)


@given(CONSENTS)
def test_a_consent_entry_is_read_back_as_it_was_written(entry):
    leaf = entry.to_bytes()
    assert parse(leaf) == entry
    assert parse(leaf).to_bytes() == leaf
    assert b"\n" not in leaf


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(DocumentKind), MOMENTS)
def test_a_document_entry_is_read_back_as_it_was_written(text, kind, moment):
    entry = DocumentEntry(
        id="16fd2706-8baf-433b-82eb-8c7fada847da",
        kind=kind,
        sha256=document_hash(text),
        text=text,
        recorded=moment,
    )
    assert parse(entry.to_bytes()) == entry
    assert b"\n" not in entry.to_bytes()


@given(CONSENTS, st.booleans())
def test_a_glance_at_what_changes_sees_what_parsing_sees(entry, plain):
    if plain:
        entry = replace(entry, event=Event.OPT_IN, method=Method.KEYWORD, reason=None)
    leaf = entry.to_bytes()
    seen = change(leaf)
    # The two patterns match the same leaves; they only catch other fields.
    assert (seen is None) == (glance([leaf]) is None)
    assert seen is None or seen == tuple(
        word.encode()
        for word in (
            entry.channel.value,
            entry.event.value,
            entry.list,
            format_moment(entry.recorded),
            entry.state.value,
            entry.subject,
        )
    )


def test_the_bytes_of_a_consent_entry_never_change(log):
    """A change here would break every log that exists: it needs a new version instead."""
    assert log.consent.to_bytes() == (
        b'{"actor":"subject","basis":"GDPR-6-1-a","channel":"whatsapp","config":"' + b"cd" * 32
        + b'","event":"opt_in","evidence":"' + b"ef" * 32
        + b'","id":"6fa459ea-ee8a-4ca4-894e-db77e160355e","list":"nrc","method":"keyword",'
        b'"notice":{"id":"nrc","lang":"nl","sha256":"' + hashlib.sha256(log.notice).hexdigest().encode()
        + b'","version":1},"occurred":"2026-01-31T09:00:00.250000Z","prev":null,'
        b'"purpose":"news-bulletin","reason":null,"recorded":"2026-01-31T09:00:00.250000Z",'
        b'"rule":"list-on/2026.1","state":"given","subject":"00112233445566778899aabbccddeeff",'
        b'"terms":null,"v":"broadcaster/consent/1","validity":"until-withdrawn"}'
    )  # fmt: skip


def test_moments_are_written_in_utc_with_microseconds_whatever_zone_they_came_in(log):
    whole = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    leaf = replace(log.consent, occurred=whole, recorded=whole).to_bytes()
    assert json.loads(leaf)["occurred"] == "2026-07-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "6fa459ea-ee8a-1ca4-894e-db77e160355e"},
        {"id": "6FA459EA-EE8A-4CA4-894E-DB77E160355E"},
        {"subject": "+31600000001"},
        {"subject": "00112233445566778899AABBCCDDEEFF"},
        {"list": ""},
        {"list": " nrc"},
        {"list": "nrc\n"},
        {"list": "n\x00rc"},
        {"actor": "x" * 201},
        {"rule": None},
        {"occurred": datetime(2026, 1, 1)},  # noqa: DTZ001 - the naive moment is the test
        {"recorded": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
        {"validity": "for ever"},
        {"validity": "P"},
        {"validity": "P1YT"},
        {"config": "cd" * 31},
        {"config": "CD" * 32},
        {"evidence": ""},
        {"prev": -1},
        {"prev": True},
        {"prev": 2**53},
        {"reason": " "},
        {"event": Event.IMPORT},
        {"event": Event.ADMIN_OPT_OUT},
        {"event": Event.CORRECTION},
        {"method": Method.ADMIN},
        {"method": Method.IMPORT},
    ],
)
def test_an_entry_with_an_impossible_field_cannot_be_made(log, change):
    with pytest.raises(EntryError):
        replace(log.consent, **change)


def test_an_entry_with_a_reason_may_be_made_by_people_for_the_person(log):
    entry = replace(log.consent, method=Method.ADMIN, reason="asked at the desk")
    assert parse(entry.to_bytes()).reason == "asked at the desk"


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "nrc", "version": 0, "sha256": "ab" * 32, "lang": "nl"},
        {"id": "nrc", "version": True, "sha256": "ab" * 32, "lang": "nl"},
        {"id": "nrc", "version": 1, "sha256": "ab", "lang": "nl"},
        {"id": "nrc", "version": 1, "sha256": "ab" * 32, "lang": "n"},
        {"id": "", "version": 1, "sha256": "ab" * 32, "lang": "nl"},
    ],
)
def test_a_notice_with_an_impossible_field_cannot_be_made(fields):
    with pytest.raises(EntryError):
        NoticeReference(**fields)


def changed(log, **fields):
    return canonical.encode(json.loads(log.consent.to_bytes()) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"v": "broadcaster/consent/2"},
        {"v": None},
        {"phone": "+31600000001"},
        {"event": "joined"},
        {"event": None},
        {"state": 1},
        {"channel": "letter"},
        {"method": ["keyword"]},
        {"list": 5},
        {"prev": "0"},
        {"prev": False},
        {"notice": {}},
        {"notice": "x"},
        {"notice": {"id": "nrc", "version": 1, "sha256": "ab" * 32, "lang": "nl", "url": "x"}},
        {"terms": {"version": "1", "sha256": "ab" * 32}},
        {"reason": 5},
        {"reason": ["x"]},
        {"occurred": "2026-01-31T09:00:00Z"},
        {"occurred": "2026-01-31T09:00:00.25Z"},
        {"occurred": "2026-01-31T09:00:00.250000+00:00"},
        {"occurred": "2026-01-31 09:00:00.250000Z"},
        {"occurred": "2026-02-30T09:00:00.250000Z"},
        {"occurred": "2026-01-31T24:00:00.000000Z"},
        {"occurred": "2026-01-31T23:59:60.000000Z"},
        {"occurred": "٢٠٢٦-01-31T09:00:00.250000Z"},
        {"occurred": 1769850000},
        {"evidence": None},
    ],
)
def test_a_leaf_that_the_product_would_not_write_is_refused(log, fields):
    with pytest.raises(EntryError):
        parse(changed(log, **fields))


def test_a_leaf_lacking_any_one_field_is_refused(log):
    value = json.loads(log.consent.to_bytes())
    for name in value:
        with pytest.raises(EntryError):
            parse(canonical.encode({key: value[key] for key in value if key != name}))


@pytest.mark.parametrize("leaf", [b"[]", b'"x"', b"null", b"1", b"{}"])
def test_json_that_is_no_entry_is_refused(leaf):
    with pytest.raises(EntryError):
        parse(leaf)


@pytest.mark.parametrize("leaf", [b"", b"entry-0", b"{", b"\xff"])
def test_bytes_that_are_no_json_are_refused(leaf):
    with pytest.raises(CanonicalError):
        parse(leaf)


@pytest.mark.parametrize(
    "fields", [{"text": "x"}, {"text": 5}, {"kind": "letter"}, {"sha256": "ab" * 32}, {"x": 1}]
)
def test_a_document_leaf_that_contradicts_itself_is_refused(log, fields):
    leaf = canonical.encode(json.loads(log.document.to_bytes()) | fields)
    with pytest.raises(EntryError):
        parse(leaf)


def test_a_document_with_half_a_character_is_refused(log):
    with pytest.raises(EntryError):
        document_hash("\ud800")
    with pytest.raises(EntryError):
        replace(log.consent, reason="\ud800").to_bytes()


def test_a_leaf_has_at_most_65535_bytes(log):
    room = MAX_LEAF_BYTES - len(replace(log.consent, reason="x").to_bytes())
    longest = replace(log.consent, reason="x" * (room + 1))
    assert len(longest.to_bytes()) == MAX_LEAF_BYTES
    assert parse(longest.to_bytes()) == longest
    with pytest.raises(EntryError, match="65,535"):
        replace(longest, reason=longest.reason + "x").to_bytes()
    with pytest.raises(EntryError, match="65,535"):
        parse(longest.to_bytes() + b" ")


def test_errors_do_not_repeat_what_was_in_the_field(log):
    with pytest.raises(EntryError) as caught:
        replace(log.consent, subject="+31600000001")
    assert "600000001" not in str(caught.value)


def test_an_entry_cannot_be_changed(log):
    with pytest.raises(FrozenInstanceError):
        log.consent.event = Event.OPT_OUT


def test_the_commitment_is_the_hmac_the_format_describes():
    key, private = bytes(range(32)), {"body": "NRC AAN", "address": "+31600000001"}
    message = b'broadcaster/evidence/1\x00{"address":"+31600000001","body":"NRC AAN"}'
    assert evidence_commitment(key, private) == hmac.new(key, message, "sha256").hexdigest()


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_without_the_key_the_same_words_give_another_commitment(key, other):
    private = {"body": "NRC AAN"}
    assert (evidence_commitment(key, private) == evidence_commitment(other, private)) == (
        key == other
    )


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_short_key_commits_to_nothing(key):
    with pytest.raises(EntryError):
        evidence_commitment(key, {})
