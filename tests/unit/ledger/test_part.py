"""A part of a log proves its own entries, reveals nobody else, and says what it cannot show."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import canonical
from broadcaster.ledger.bundle import stream_part
from broadcaster.ledger.entry import DocumentKind, document_hash
from broadcaster.ledger.errors import BundleError, EntryError, RootMismatch, WrongRange
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.proven import Place, parse_place
from broadcaster.ledger.verify import verify_bundle

ODD, LIST = Part("subject", f"{1:032x}"), Part("list", "nrc")
STEPS = ["bundle", "manifest", "key", "checkpoint", "entries", "inclusion", "part", "documents"]
STEPS += ["histories"]


def test_one_person_is_shown_and_nobody_else(agreed, log):
    """Entry 0 is the notice; 1, 3, 5 … are theirs, 2, 4, 6 … another's."""
    leaves = log.make_leaves(20)
    data = log.make_part(leaves, ODD, [0, *range(1, 20, 2)])
    assert agreed(data, vkey=log.signer.key) is None
    assert f"{0:032x}".encode() not in data
    report = verify_bundle(io.BytesIO(data))
    assert [step.name for step in report.steps] == STEPS
    assert "11 entries of 20" in report.steps[4].detail
    assert "whether another came after it, only the whole log" in report.to_text()


@given(st.integers(2, 60), st.data())
def test_any_part_of_a_list_is_verified_and_says_that_more_may_be_missing(agreed, log, size, data):
    leaves = log.make_leaves(size)
    shown = data.draw(st.sets(st.integers(1, size - 1), min_size=1))
    part = log.make_part(leaves, LIST, sorted(shown | data.draw(st.sampled_from([set(), {0}]))))
    assert agreed(part) is None
    assert "none is left out, only the whole log" in verify_bundle(io.BytesIO(part)).to_text()


@given(st.integers(4, 40), st.data())
def test_a_person_sees_that_something_was_left_out_before_their_last_entry(agreed, log, size, data):
    leaves, theirs = log.make_leaves(size), [*range(1, size, 2)]
    left_out = data.draw(st.sampled_from(theirs[:-1]))
    shown = [index for index in theirs if index != left_out]
    assert agreed(log.make_part(leaves, ODD, shown)) == "histories"
    assert agreed(log.make_part(leaves, ODD, theirs[:-1])) is None


def test_a_list_may_have_gaps_but_no_chain_that_contradicts_itself():
    def check(*rows):
        with Histories() as histories:
            for index, prev in rows:
                histories.add(index, bytes(16), prev)
            return histories.check(gaps=True)

    assert check((5, 3), (9, 7), (12, 9)) == 1
    for wrong in ([(5, 5)], [(5, 6)], [(5, None), (9, None)], [(5, 3), (9, 4)]):
        with pytest.raises(EntryError):
            check(*wrong)


def test_entries_for_all_lists_belong_to_each(agreed, log):
    first = log.consent.to_bytes()
    stop = replace(log.consent, list="*", prev=0).to_bytes()
    other = replace(log.consent, list="vpro", prev=1).to_bytes()
    assert agreed(log.make_part([first, stop, other], LIST, [0, 1])) is None
    assert agreed(log.make_part([first, stop, other], LIST, [0, 1, 2])) == "part"
    assert agreed(log.make_part([first, stop, other], Part("list", "vpro"), [2])) is None


def test_documents_come_along_only_if_an_entry_names_them(agreed, log):
    register = "the register of processing"
    config = replace(
        log.document, kind=DocumentKind.CONFIG, text=register, sha256=document_hash(register)
    )
    named = replace(log.consent, config=config.sha256)
    leaves = [config.to_bytes(), log.document.to_bytes(), named.to_bytes(), log.consent.to_bytes()]
    person = Part("subject", log.consent.subject)
    assert agreed(log.make_part(leaves[:3], person, [0, 1, 2])) is None
    assert agreed(log.make_part(leaves[:3], person, [2])) is None
    assert agreed(log.make_part(leaves[:3], person, [2], notices=[])) == "documents"
    assert agreed(log.make_part(leaves[:3], person, [2], notices=[log.notice, b"x"])) == "documents"
    # The register that another's entry names is none of theirs.
    other = replace(log.consent, subject="ab" * 16, prev=None).to_bytes()
    assert agreed(log.make_part([leaves[0], other], Part("list", "nrc"), [0, 1])) == "part"
    assert agreed(log.make_part([leaves[0]], person, [0], notices=[])) == "part"


def lines_of(files, name):
    return files[name].splitlines(keepends=True)


def of_somebody_else(files, manifest):
    manifest["part"] = {"subject": "ab" * 16}


def of_the_whole(files, manifest):
    manifest["part"] = None


def without_proofs(files, manifest):
    del files["proofs.jsonl"]


def whole_without_proofs(files, manifest):
    del files["proofs.jsonl"]
    manifest["part"] = None


def fewer_proofs(files, manifest):
    files["proofs.jsonl"] = b"".join(lines_of(files, "proofs.jsonl")[:-1])


def fewer_entries(files, manifest):
    files["entries.jsonl"] = b"".join(lines_of(files, "entries.jsonl")[:-1])


def swapped(files, manifest):
    for name in ("entries.jsonl", "proofs.jsonl"):
        first, *rest = lines_of(files, name)
        files[name] = b"".join([*rest, first])


def twice(files, manifest):
    for name in ("entries.jsonl", "proofs.jsonl"):
        files[name] += lines_of(files, name)[-1]


def other_entry(files, manifest):
    files["entries.jsonl"] = files["entries.jsonl"].replace(b'"whatsapp"', b'"sms"', 1)


def places(files, change):
    found = [json.loads(line) for line in lines_of(files, "proofs.jsonl")]
    change(found)
    files["proofs.jsonl"] = b"".join(canonical.encode(one) + b"\n" for one in found)


def proofs(change):
    return lambda files, _manifest: places(files, change)


CHANGES = [
    (of_somebody_else, "part"),
    (of_the_whole, "manifest"),
    (without_proofs, "manifest"),
    (whole_without_proofs, "size"),
    (fewer_proofs, "entries"),
    (fewer_entries, "entries"),
    (swapped, "entries"),
    (twice, "entries"),
    (other_entry, "inclusion"),
    (proofs(lambda all_: all_[0]["proof"].pop()), "inclusion"),
    (proofs(lambda all_: all_[0]["proof"].append("ab" * 32)), "inclusion"),
    (proofs(lambda all_: all_[0]["proof"].reverse()), "inclusion"),
    (proofs(lambda all_: all_[0].update(index=2)), "inclusion"),
    (proofs(lambda all_: all_[-1].update(index=7)), "inclusion"),
    (proofs(lambda all_: all_[-1].update(index=2**53 - 1)), "inclusion"),
    (proofs(lambda all_: all_[0].update(index=-1)), "entries"),
    (proofs(lambda all_: all_[0].update(index="1")), "entries"),
    (proofs(lambda all_: all_[0].update(index=True)), "entries"),
    (proofs(lambda all_: all_[0].update(proof=["ab" * 32] * 64)), "entries"),
    (proofs(lambda all_: all_[0].update(proof=["ab" * 31])), "entries"),
    (proofs(lambda all_: all_[0].update(proof=["AB" * 32])), "entries"),
    (proofs(lambda all_: all_[0].update(proof=[1])), "entries"),
    (proofs(lambda all_: all_[0].update(proof=None)), "entries"),
    (proofs(lambda all_: all_[0].update(more=1)), "entries"),
    (proofs(lambda all_: all_.__setitem__(0, [])), "entries"),
]


@pytest.mark.parametrize(("change", "step"), CHANGES, ids=range(len(CHANGES)))
def test_what_a_forger_mends_fails_at_the_same_step_in_both(agreed, log, change, step):
    part = log.make_part(log.make_leaves(7), ODD, [1, 3, 5])
    assert agreed(part) is None
    assert agreed(log.rebuild(part, change)) == step


def test_a_part_cannot_show_that_history_was_only_extended(agreed, log):
    leaves = log.make_leaves(7)
    part = log.make_part(leaves, ODD, [1, 3, 5])
    for size in (0, 6):
        assert agreed(part, since=log.make_checkpoint(leaves[:size])) == "anchor"
    assert agreed(part, since=log.make_checkpoint(log.make_leaves(9))) == "anchor"
    assert agreed(part, since=log.make_checkpoint(leaves)) is None


def test_two_checkpoints_over_as_many_entries_are_a_fork_with_both_as_evidence(agreed, log):
    leaves = log.make_leaves(7)
    forged = log.make_checkpoint([*leaves[:6], leaves[6].replace(b'"whatsapp"', b'"sms"')])
    part = log.make_part(leaves, ODD, [1, 3, 5])
    assert agreed(part, since=forged) == "anchor"
    report = verify_bundle(io.BytesIO(part), since=forged)
    assert report.steps[-1].evidence == (forged.decode(), log.make_checkpoint(leaves).decode())


def test_a_proof_that_does_not_lead_to_the_checkpoint_is_not_exported(log):
    leaves = log.make_leaves(3)
    arguments = {
        "checkpoint": log.make_checkpoint(leaves),
        "key": log.signer.key,
        "part": ODD,
        "entries": lambda: [(1, leaves[1])],
        "notices": [log.notice],
    }
    with pytest.raises(RootMismatch):
        list(stream_part(prove=lambda _: [bytes(32)] * 2, **arguments))
    with pytest.raises(WrongRange):
        list(stream_part(prove=lambda _: [], **{**arguments, "entries": lambda: [(3, leaves[1])]}))


@pytest.mark.parametrize(
    ("kind", "name"), [("subject", "nrc"), ("subject", "AB" * 16), ("list", ""), ("person", "x")]
)
def test_a_part_that_nothing_can_be_is_refused(kind, name):
    with pytest.raises(BundleError):
        Part(kind, name)


def test_a_place_is_one_line():
    place = Place(5, [b"\xab" * 32])
    assert place.to_bytes() == b'{"index":5,"proof":["%b"]}' % (b"ab" * 32)
    assert parse_place(place.to_bytes()) == place
