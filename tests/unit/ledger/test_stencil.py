"""A stencil writes exactly the leaf that the entry itself would write."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger.entry import (
    Channel,
    ConsentEntry,
    Event,
    Method,
    NoticeReference,
    State,
    parse,
)
from broadcaster.ledger.fields import UUID4, format_moment
from broadcaster.ledger.stencil import Stencil, random_ids

HASH = "ab" * 32
MODEL = ConsentEntry(
    id="00000000-0000-4000-8000-000000000000",
    subject="0" * 32,
    event=Event.IMPORT,
    state=State.GIVEN,
    list="nrc",
    purpose="news-bulletin",
    basis="GDPR-6-1-a",
    channel=Channel.SMS,
    method=Method.IMPORT,
    rule="import-with-proof@1",
    occurred=datetime(2026, 1, 1, tzinfo=UTC),
    recorded=datetime(2026, 11, 30, 12, tzinfo=UTC),
    validity="until-withdrawn",
    notice=NoticeReference(id="wording-1", version=1, sha256=HASH, lang="und"),
    terms=None,
    config=HASH,
    actor="cli",
    reason="moved",
    prev=None,
    evidence=HASH,
)
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
REASONS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50).filter(
    lambda text: text.strip()
)


@given(
    reason=REASONS,
    evidence=HEX,
    subject=HEX.map(lambda text: text[:32]),
    occurred=st.datetimes(timezones=st.just(UTC)),
    prev=st.none() | st.integers(0, 2**53 - 1),
)
def test_a_leaf_is_that_of_the_entry(reason, evidence, subject, occurred, prev):
    model = replace(MODEL, reason=reason, notice=MODEL.notice if len(reason) % 2 else None)
    (id_,) = random_ids(1)
    entry = replace(model, id=id_, evidence=evidence, subject=subject, occurred=occurred, prev=prev)

    leaf = Stencil(model).leaf(
        evidence=evidence, id_=id_, occurred=format_moment(occurred), prev=prev, subject=subject
    )

    assert leaf == entry.to_bytes()
    assert parse(leaf) == entry


def test_random_ids_are_uuids_of_version_4_and_all_different():
    ids = list(random_ids(1_000))

    assert len(set(ids)) == 1_000
    assert all(re.fullmatch(UUID4, one) for one in ids)
