"""Verification says which step failed, proves forks with both checkpoints, and needs nothing of us."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger.__main__ import main
from broadcaster.ledger.bundle import _Writer
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.entry import DocumentKind, TermsReference, document_hash
from broadcaster.ledger.errors import BundleError, EntryError
from broadcaster.ledger.histories import Histories
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ledger.reading import Reading
from broadcaster.ledger.report import Report, Step
from broadcaster.ledger.unbundle import MAX_DOCUMENTS
from broadcaster.ledger.verify import verify_bundle

STEPS = ["bundle", "manifest", "key", "checkpoint", "entries", "size", "root"]
STEPS += ["documents", "histories"]
OTHER = NoteSigner(
    name="broadcaster.example/ledger",
    private_key=Ed25519PrivateKey.from_private_bytes(bytes(32)),
)


def verify(data, **options):
    return verify_bundle(io.BytesIO(data), **options)


def detail(report, name):
    return next(step.detail for step in report.steps if step.name == name)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_an_honest_bundle_passes_every_step(log, count):
    report = verify(log.make_bundle(log.make_leaves(count)), vkey=log.signer.key)
    assert report.ok
    assert [step.name for step in report.steps] == STEPS


def test_an_empty_ledger_is_verified_and_says_so(log):
    report = verify(log.make_bundle([], notices=[]), since=log.make_checkpoint([]))
    assert report.ok
    assert "0 entries" in detail(report, "entries")


def test_without_a_key_it_says_what_that_does_not_prove(log):
    report = verify(log.make_bundle(log.make_leaves(2)))
    assert report.ok
    assert "from the bundle itself" in detail(report, "key")
    assert log.signer.key.fingerprint in detail(report, "key")


def test_another_log_under_the_same_name_fails_at_its_key(log):
    report = verify(log.make_bundle(log.make_leaves(2), OTHER), vkey=log.signer.key)
    assert report.failed == "key"
    assert verify(log.make_bundle(log.make_leaves(2), OTHER)).ok


def test_a_file_that_is_no_bundle_fails_at_the_first_step():
    assert verify(b"hello").failed == "bundle"


@given(st.integers(1, 30), st.data())
def test_any_later_bundle_extends_any_checkpoint_kept_earlier(log, count, data):
    leaves = log.make_leaves(count)
    kept = log.make_checkpoint(leaves[: data.draw(st.integers(0, count))])
    report = verify(log.make_bundle(leaves), since=kept)
    assert report.ok
    assert [step.name for step in report.steps] == [*STEPS[:4], "anchor", *STEPS[4:], "extension"]


@given(st.integers(4, 30), st.data())
def test_a_rewritten_past_is_a_fork_with_both_checkpoints_as_evidence(log, count, data):
    """The forger has the key, and signs a new log that is right in itself."""
    leaves = log.make_leaves(count)
    at = data.draw(st.integers(1, count - 1))
    kept = log.make_checkpoint(leaves[: data.draw(st.integers(at + 1, count))])
    forged = [*leaves]
    forged[at] = forged[at].replace(b'"whatsapp"', b'"sms"')
    assert verify(log.make_bundle(forged)).ok
    report = verify(log.make_bundle(forged), since=kept)
    assert report.failed == "extension"
    assert report.steps[-1].evidence == (kept.decode(), log.make_checkpoint(forged).decode())


def test_a_log_that_was_rolled_back_is_shorter_than_the_anchor(log):
    leaves = log.make_leaves(5)
    report = verify(log.make_bundle(leaves[:4]), since=log.make_checkpoint(leaves))
    assert report.failed == "anchor"
    assert "shorter than the anchor" in detail(report, "anchor")
    assert len(report.steps[-1].evidence) == 2


def test_an_anchor_by_another_key_or_of_no_form_fails(log):
    leaves = log.make_leaves(3)
    for since in (log.make_checkpoint(leaves, OTHER), b"", b"hello\n"):
        assert verify(log.make_bundle(leaves), since=since).failed == "anchor"


def test_an_entry_that_is_no_entry_is_named_by_its_index(log):
    leaves = [*log.make_leaves(2), b'{"v":"broadcaster/consent/1"}']
    report = verify(log.make_bundle(leaves))
    assert report.failed == "entries"
    assert "entry 2:" in detail(report, "entries")


@pytest.mark.parametrize("leaf", [b"", b" {}", b'{"b":1,"a":1}', b"\xff", b"[" * 1000])
def test_a_leaf_that_is_not_canonical_fails_even_if_it_was_signed(log, leaf):
    assert verify(log.make_bundle([leaf], notices=[])).failed == "entries"


def test_a_bundle_put_together_from_two_logs_fails(log):
    """The checkpoint of one, the entries of another, the manifest and checksums mended."""
    leaves = log.make_leaves(4)
    other = [*leaves[:3], leaves[3].replace(b'"whatsapp"', b'"sms"')]
    for entries, step in ((other, "root"), (leaves[:3], "size")):
        assert verify(mended(log, leaves, entries)).failed == step


def mended(log, signed, entries):
    """What the writer would write if it did not hold the entries against the checkpoint."""
    head = open_checkpoint(log.make_checkpoint(signed), log.signer.key)
    writer = _Writer()
    parts = [
        *writer.begin(log.make_checkpoint(signed), log.signer.key, [log.notice], []),
        *writer.add_entries(entries, open_checkpoint(log.make_checkpoint(entries), log.signer.key)),
    ]
    return b"".join([*parts, writer.end(head, None)])


def test_a_prev_that_skips_an_entry_of_the_subject_is_found(log):
    first = replace(log.consent, prev=None).to_bytes()
    second = replace(log.consent, prev=0).to_bytes()
    skipping = replace(log.consent, prev=0).to_bytes()
    report = verify(log.make_bundle([first, second, skipping]))
    assert report.failed == "histories"
    assert "entry 2 names entry 0" in detail(report, "histories")


@pytest.mark.parametrize("prev", [0, 1, 2, 5])
def test_a_first_entry_has_no_previous_one(log, prev):
    leaves = [log.document.to_bytes(), replace(log.consent, prev=prev).to_bytes()]
    assert verify(log.make_bundle(leaves)).failed == "histories"


def test_a_second_entry_that_hides_the_first_is_found(log):
    leaves = [log.consent.to_bytes(), log.consent.to_bytes()]
    report = verify(log.make_bundle(leaves))
    assert "names none" in detail(report, "histories")


@given(st.lists(st.integers(0, 300), max_size=200), st.data())
def test_histories_accept_exactly_the_right_chains(subjects, data):
    latest, rows = {}, []
    for index, number in enumerate(subjects):
        rows.append((index, sha256(b"%d" % number).digest()[:16], latest.get(number)))
        latest[number] = index
    with Histories() as histories:
        for row in rows:
            histories.add(*row)
        assert histories.check() == len(latest)
    if not rows:
        return
    wrong = data.draw(st.integers(0, len(rows) - 1))
    index, subject, prev = rows[wrong]
    rows[wrong] = (index, subject, 7 if prev != 7 else None)
    with Histories() as histories:
        for row in rows:
            histories.add(*row)
        with pytest.raises(EntryError, match=f"entry {index} "):
            histories.check()


def test_many_subjects_move_to_disk_and_are_checked_all_the_same():
    with Histories() as histories:
        for index in range(10_000):
            histories.add(index, sha256(b"%d" % index).digest()[:16], None)
        histories.add(10_000, sha256(b"5").digest()[:16], 5)
        assert histories.check() == 10_000


def test_a_notice_that_an_entry_names_must_be_in_the_bundle(log):
    report = verify(log.make_bundle([log.consent.to_bytes()], notices=[]))
    assert report.failed == "documents"
    assert log.document.sha256 in detail(report, "documents")


def test_terms_that_an_entry_names_must_be_in_the_bundle(log):
    terms = TermsReference(version=1, sha256=document_hash("terms"))
    leaves = [replace(log.consent, terms=terms).to_bytes()]
    report = verify(log.make_bundle(leaves))
    assert f"terms/{terms.sha256}" in detail(report, "documents")


def test_a_document_that_no_entry_knows_is_refused(log):
    leaves = log.make_leaves(2)
    report = verify(log.make_bundle(leaves, notices=[log.notice, b"stowaway"]))
    assert report.failed == "documents"


def test_a_logged_document_may_be_there_before_anyone_was_shown_it(log):
    assert verify(log.make_bundle([log.document.to_bytes()])).ok
    assert verify(log.make_bundle([log.document.to_bytes()], notices=[])).ok


@pytest.mark.parametrize("leaf", ["document", "consent"])
def test_a_log_that_names_documents_without_end_is_refused(log, leaf):
    many = {(DocumentKind.NOTICE, f"{number:064x}") for number in range(MAX_DOCUMENTS)}
    reading = Reading(named=many, logged=set(many))
    with Histories() as histories, pytest.raises(BundleError, match="10,000"):
        reading.note_all([getattr(log, leaf).to_bytes()], histories)


def test_the_register_is_logged_but_no_file(log):
    register = replace(log.document, kind=DocumentKind.CONFIG).to_bytes()
    assert verify(log.make_bundle([register], notices=[])).ok


def test_a_report_cannot_steer_a_terminal():
    report = Report(steps=(Step(name="key", ok=False, detail="\x1b[2J\u202e", evidence=("a\nb",)),))
    assert report.to_text() == (
        "FAILED  key: \\x1b[2J\\u202e\n\na\nb\n\nNOT verified: the step 'key' failed.\n"
    )


@pytest.fixture
def files(log, tmp_path: Path):
    leaves = log.make_leaves(4)
    forged = [*leaves[:2], leaves[2].replace(b'"whatsapp"', b'"sms"'), leaves[3]]
    named = {
        "good.zip": log.make_bundle(leaves),
        "short.zip": log.make_bundle(leaves[:3]),
        "forged.zip": log.make_bundle(forged),
        "bad.zip": b"hello",
        "cut.zip": log.make_bundle(leaves)[:-1],
        "key": log.signer.key.to_text().encode() + b"\n",
        "not-a-key": b"hello",
        "old": log.make_checkpoint(leaves[:3]),
        "new": log.make_checkpoint(leaves),
    }
    for name, data in named.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("good.zip", 0, "Verified."),
        ("good.zip --vkey key --since old", 0, "Verified."),
        ("cut.zip", 1, "the step 'bundle' failed"),
        ("bad.zip", 2, "no file of Broadcaster"),
        ("good.zip --since bad.zip", 1, "the step 'anchor' failed"),
        ("short.zip --since new", 1, "shorter than the anchor"),
        ("forged.zip --since old", 1, "the step 'extension' failed"),
        ("missing.zip", 2, "missing.zip"),
        (".", 2, "cannot read"),
        ("good.zip --since missing", 2, "missing"),
        ("good.zip --vkey missing", 2, "neither a key"),
        ("good.zip --vkey not-a-key", 2, "eight hex digits"),
        ("good.zip --vkey .", 2, "neither a key"),
    ],
)
def test_the_command_exits_0_1_or_2_and_says_why(files, capsys, words, code, said):
    with contextlib.chdir(files):
        assert main(["verify", *words.split()]) == code
    out, err = capsys.readouterr()
    assert said in (err if code == 2 else out)
    assert "Traceback" not in out + err


@pytest.mark.parametrize("words", ["", "verify", "check x", "verify a b", "verify a --loud"])
def test_wrong_use_of_the_command_exits_2(words):
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2


def test_the_key_may_be_given_as_text(files, log):
    assert main(["verify", str(files / "good.zip"), "--vkey", log.signer.key.to_text()]) == 0
    assert main(["verify", str(files / "good.zip"), "--vkey", OTHER.key.to_text()]) == 1


def test_the_report_as_json_names_the_failed_step(files, capsys):
    since = str(files / "old")
    assert main(["verify", str(files / "forged.zip"), "--since", since, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["failed"]) == (False, "extension")
    assert len(report["steps"][-1]["evidence"]) == 2


def test_a_fresh_interpreter_verifies_in_any_locale_and_loads_no_framework(files):
    """Also with an ASCII terminal, although signed notes have an em dash."""
    program = (
        "import sys; from broadcaster.ledger.__main__ import main; code = main(sys.argv[1:]);"
        "print(sorted({name.partition('.')[0] for name in sys.modules}));"
        "print(sorted(name for name in sys.modules if name.startswith('broadcaster')));"
        "sys.exit(code)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program, "verify", "forged.zip", "--since", "old"],
        capture_output=True,
        check=False,
        cwd=files,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[3])},
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "")
    *_, roots, ours = done.stdout.splitlines()
    assert not {"flask", "sqlalchemy", "twilio", "marshmallow", "click"} & set(eval_list(roots))
    assert {name.partition(".ledger")[0] for name in eval_list(ours)} == {"broadcaster"}
    assert [name for name in eval_list(ours) if not name.startswith("broadcaster.ledger")] == [
        "broadcaster"
    ]


def eval_list(text):
    return json.loads(text.replace("'", '"'))
