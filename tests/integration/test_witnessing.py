"""Witnesses sign what extends what they signed, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.cosignature import verify_cosignature, witness_key
from broadcaster.ledger.keys import NoteSigner
from broadcaster.providers import witnesses
from broadcaster.services import audit, witnessing
from broadcaster.services.witnessing import Asked, Reply
from broadcaster.storage import ledger
from broadcaster.storage.models import Checkpoint
from tests.witness import SmallWitness, running
from tests.world import phone

NAME = "witness.example.org/w1"


def _signer(letter):
    key = Ed25519PrivateKey.from_private_bytes(letter * 32)
    return NoteSigner(name=NAME, private_key=key)


@pytest.fixture
def witness(world):
    with running(SmallWitness(signer=_signer(b"w"), log=world.runtime.signer.key)) as one:
        yield one


@pytest.fixture
def watched(world, witness):
    """A newsroom whose settings name the witness."""
    settings = world.runtime.settings
    named = replace(settings.ledger, witnesses=(witness.setting,))
    world.runtime = replace(world.runtime, settings=replace(settings, ledger=named))
    world.text(phone(1), "NRC AAN")
    return world


def _ask(world, post=witnesses.post):
    return list(witnessing.ask_all(world.runtime, post))


def _latest(world):
    with world.runtime.reading() as session:
        return ledger.latest_checkpoint(session).note.encode()


def test_a_witness_signs_the_log_again_and_again_as_it_grows(watched, witness):
    for turn in range(4):
        for number in range(turn * 40):
            watched.text(phone(number % 7), "NRC UIT" if number % 2 else "NRC AAN")
        (asked,) = _ask(watched)
        assert asked == Asked(name=NAME, size=witness.known.size)
        note = _latest(watched)
        assert verify_cosignature(note, witness_key(witness.signer)) == witness.seconds
        assert open_checkpoint(note, watched.runtime.signer.key) == witness.known
    assert witness.asked[0].startswith(b"old 0\n")
    assert len(witness.asked) == 4, "nobody was asked twice: we know what was signed"


def test_asking_again_changes_nothing(watched):
    first = _ask(watched)
    note = _latest(watched)
    assert _ask(watched) == first
    assert _latest(watched) == note
    audit.sign_what_is_new(watched.runtime)
    assert _latest(watched) == note


def test_a_witness_that_knows_more_than_our_tables_is_asked_from_there(watched, witness):
    _ask(watched)
    with watched.runtime.transaction() as session:
        session.execute(sa.delete(Checkpoint))
    watched.text(phone(2), "NRC AAN")
    (asked,) = _ask(watched)
    assert asked.size == witness.known.size
    assert len(witness.asked) == 3


def test_a_log_that_is_shorter_than_what_was_signed_is_told_apart(watched, witness):
    _ask(watched)
    witness.known = replace(witness.known, size=witness.known.size + 5)
    with watched.runtime.transaction() as session:
        session.execute(sa.delete(Checkpoint))
    (asked,) = _ask(watched)
    assert asked.contradicts
    assert "this database is older" in asked.trouble


def test_another_history_is_not_signed(watched, witness):
    _ask(watched)
    watched.text(phone(2), "NRC AAN")
    witness.known = replace(witness.known, root=b"x" * 32)
    (asked,) = _ask(watched)
    assert (asked.size, asked.trouble) == (None, "it does not accept our proof (HTTP 422)")
    assert verify_cosignature(_latest(watched), witness_key(witness.signer)) is None


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (Reply(404, "text/plain", b""), "does not know this log"),
        (Reply(403, "text/plain", b""), "does not know our key"),
        (Reply(500, "text/html", b"<h1>"), "cannot at the moment (HTTP 500)"),
        (Reply(302, "text/html", b""), "cannot at the moment (HTTP 302)"),
        (Reply(409, "text/x.tlog.size", b"many"), "and not which"),
        (Reply(409, "text/x.tlog.size", b"9" * 50), "and not which"),
        (Reply(409, "text/plain", b"1"), "HTTP 409"),
        (Reply(200, "text/plain", b""), "without its own signature"),
        (Reply(200, "text/plain", b"\xff\xff"), ""),
        (Reply(200, "text/plain", "\u2014 a b\n".encode()), ""),
    ],
)
def test_whatever_a_witness_answers_nothing_false_is_kept(watched, reply, trouble):
    (asked,) = _ask(watched, lambda _url, _body: reply)
    assert asked.size is None
    assert trouble in asked.trouble
    note = _latest(watched)
    assert note.count("\u2014".encode()) == 1
    open_checkpoint(note, watched.runtime.signer.key)


def test_a_signature_by_another_key_is_not_kept(watched, witness):
    witness.signer = _signer(b"o")
    (asked,) = _ask(watched)
    assert "without its own signature" in asked.trouble


def test_one_that_does_not_answer_keeps_nobody_from_the_next(watched, witness):
    dead = f"http://127.0.0.1:1/w1 {witness_key(_signer(b'd')).to_text()}"
    named = replace(watched.runtime.settings.ledger, witnesses=(dead, witness.setting))
    settings = replace(watched.runtime.settings, ledger=named)
    watched.runtime = replace(watched.runtime, settings=settings)
    first, second = _ask(watched)
    assert (first.size, bool(first.trouble)) == (None, True)
    assert second.size == witness.known.size
