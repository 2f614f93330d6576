"""Parts of the ledger: one person or one list, proven, with what they name and nobody else."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from broadcaster.core.errors import NotFound
from broadcaster.ledger.entry import DocumentKind, parse
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.verify import verify_bundle
from broadcaster.services import documents, parts
from tests.world import phone


@pytest.fixture
def busy(world):
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    with world.runtime.transaction() as session:
        now = world.runtime.clock.now()
        for number in range(300):
            documents.log_once(session, DocumentKind.CONFIG, f"register {number}", now)
    world.text(phone(1), "SPORT AAN")
    world.text(phone(1), "NRC UIT")
    world.text(phone(2), "STOP")
    world.text(phone(8), "SPORT AAN")
    world.text(phone(8), "STOP")
    world.text(phone(1), "NRC AAN")
    return world


def exported(world, kind, name):
    return b"".join(parts.export(world.runtime, Part(kind, name)))


def entries_in(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    places = [json.loads(line)["index"] for line in archive.read("proofs.jsonl").splitlines()]
    leaves = archive.read("entries.jsonl").splitlines()
    return archive.namelist(), dict(zip(places, map(parse, leaves), strict=True))


def subject_of(world, number):
    """The subject whose entries are these; people text in order, so the n-th opt-in is the n-th's."""
    joined = [one for one in world.entries() if one.list == "nrc" and one.prev is None]
    return joined[number].subject


def test_a_person_gets_their_own_entries_and_the_documents_they_name(busy):
    subject = subject_of(busy, 1)
    data = exported(busy, "subject", subject)
    report = verify_bundle(io.BytesIO(data), vkey=busy.runtime.signer.key)
    assert report.ok, report.to_text()
    names, entries = entries_in(data)
    theirs = [one for one in busy.entries() if one.subject == subject]
    found = [one for one in entries.values() if hasattr(one, "subject")]
    assert found == theirs
    assert len(theirs) == 4
    logged = {one.sha256 for one in entries.values() if hasattr(one, "text")}
    assert logged == {one.config for one in theirs} | {one.notice.sha256 for one in theirs}
    assert {name.partition("/")[2] for name in names if name.startswith("notices/")} == {
        one.notice.sha256 for one in theirs
    }


def test_nobody_else_is_in_a_persons_part(busy):
    subject = subject_of(busy, 1)
    data = exported(busy, "subject", subject)
    others = {one.subject for one in busy.entries()} - {subject}
    assert len(others) == 6
    assert not any(other.encode() in data for other in others)


def test_a_list_gets_its_entries_and_what_its_people_said_of_all_lists(busy):
    data = exported(busy, "list", "sport")
    report = verify_bundle(io.BytesIO(data), vkey=busy.runtime.signer.key)
    assert report.ok, report.to_text()
    _names, entries = entries_in(data)
    found = [one for one in entries.values() if hasattr(one, "subject")]
    people = {one.subject for one in busy.entries() if one.list == "sport"}
    assert len(people) == 2
    # The stop of somebody who was never on it is not there.
    assert {one.subject for one in found} == people
    assert [one.list for one in found] == ["sport", "sport", "*"]


def test_the_part_grows_no_older_than_its_checkpoint(busy):
    before = exported(busy, "list", "nrc")
    busy.text(phone(9), "NRC AAN")
    after = exported(busy, "list", "nrc")
    assert len(entries_in(after)[1]) == len(entries_in(before)[1]) + 1
    for data in (before, after):
        assert verify_bundle(io.BytesIO(data)).ok


@pytest.mark.parametrize(("kind", "name"), [("subject", "ab" * 16), ("list", "nobody")])
def test_who_is_not_in_the_ledger_has_no_part_of_it(busy, kind, name):
    with pytest.raises(NotFound, match="no entry about"):
        parts.export(busy.runtime, Part(kind, name))
