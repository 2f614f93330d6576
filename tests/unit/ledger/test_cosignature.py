"""Witnesses' cosignatures, after C2SP tlog-cosignature and tlog-witness."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import cosignature
from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from broadcaster.ledger.cosignature import Request
from broadcaster.ledger.errors import (
    BadSignature,
    MalformedKey,
    MalformedNote,
    MalformedRequest,
)
from broadcaster.ledger.keys import NoteSigner, parse_vkey
from tests.unit.ledger.conftest import SIGNER

WITNESS = NoteSigner(
    name="witness.example/w1", private_key=Ed25519PrivateKey.from_private_bytes(b"w" * 32)
)
OTHER = NoteSigner(name=WITNESS.name, private_key=Ed25519PrivateKey.from_private_bytes(b"o" * 32))
KEY = cosignature.witness_key(WITNESS)
HEAD = Checkpoint(origin=SIGNER.name, size=7, root=b"r" * 32)
NOTE = sign_checkpoint(HEAD, SIGNER)
SECONDS = 1_790_000_000


def test_a_cosigned_checkpoint_opens_as_before_and_says_when():
    cosigned = cosignature.add_lines(
        NOTE, cosignature.cosign(HEAD.to_text(), WITNESS, SECONDS), KEY
    )
    assert open_checkpoint(cosigned, SIGNER.key) == HEAD
    assert cosignature.verify_cosignature(cosigned, KEY) == SECONDS
    assert cosignature.verify_cosignature(NOTE, KEY) is None
    assert parse_vkey(KEY.to_text()) == KEY


def test_it_signs_what_the_specification_says():
    line = cosignature.cosign(HEAD.to_text(), WITNESS, SECONDS).decode()
    raw = base64.b64decode(line.split(" ")[2])
    assert line.startswith("— witness.example/w1 ")
    assert (raw[:4], raw[4:12]) == (KEY.key_id, SECONDS.to_bytes(8, "big"))
    signed = f"cosignature/v1\ntime {SECONDS}\n{HEAD.to_text()}".encode()
    WITNESS.private_key.public_key().verify(raw[12:], signed)
    assert KEY.key_id != WITNESS.key.key_id


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        cosignature.cosign(HEAD.to_text(), OTHER, SECONDS),
        cosignature.cosign(HEAD.to_text().replace("7", "8"), WITNESS, SECONDS),
    ],
    ids=["nothing", "another key", "another text"],
)
def test_an_answer_that_is_no_cosignature_is_refused(lines):
    with pytest.raises(BadSignature):
        cosignature.add_lines(NOTE, lines, KEY)


@pytest.mark.parametrize("lines", [b"hello\n", b"\n\nmore\n", b"\xff\n"])
def test_an_answer_that_is_no_line_is_refused(lines):
    with pytest.raises((BadSignature, MalformedNote)):
        cosignature.add_lines(NOTE, lines, KEY)


def test_an_answer_cannot_change_what_was_signed():
    """A blank line in it would make all before it the text."""
    lines = b"\n" + cosignature.cosign(NOTE.decode(), WITNESS, SECONDS)
    with pytest.raises(BadSignature):
        cosignature.add_lines(NOTE, lines, KEY)


def test_the_published_cosignature_is_accepted(vectors):
    case = vectors["derived_end_to_end"]
    note, key = case["checkpoint"].encode(), parse_vkey(case["witness_vkey"])
    assert cosignature.verify_cosignature(note, key) > 0
    changed = note.replace(b"\n", b"x\n", 1)
    with pytest.raises(BadSignature):
        cosignature.verify_cosignature(changed, key)


def test_the_moment_cannot_be_changed():
    line = cosignature.cosign(HEAD.to_text(), WITNESS, SECONDS).decode()
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    raw[11] ^= 1
    changed = f"— {WITNESS.name} {base64.b64encode(bytes(raw)).decode()}\n".encode()
    with pytest.raises(BadSignature):
        cosignature.verify_cosignature(NOTE + changed, KEY)


def test_the_key_of_a_log_is_not_that_of_a_witness():
    with pytest.raises(MalformedKey):
        cosignature.verify_cosignature(NOTE, WITNESS.key)


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_is_read_as_it_was_written(old, proof):
    made = Request(old=old, proof=proof, checkpoint=NOTE)
    assert cosignature.parse_request(made.to_bytes()) == made


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"old 1\n", b"old -1\n\n", b"old 01\n\n", b"new 1\n\n", b"old 1\nAAAA\n\n"),
        *(b"old 1\r\n\r\n", b"\xff\n\n", b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\n"),
    ],
)
def test_another_request_is_refused(data):
    with pytest.raises(MalformedRequest):
        cosignature.parse_request(data)
