"""Receipts: one entry, its proof and a checkpoint, in the form of C2SP tlog-proof."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import merkle, receipt
from broadcaster.ledger.checkpoint import Checkpoint, sign_checkpoint
from broadcaster.ledger.errors import MalformedReceipt
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ledger.receipt import Receipt
from tests.unit.ledger.conftest import SIGNER, make_leaves

OTHER = NoteSigner(name=SIGNER.name, private_key=Ed25519PrivateKey.from_private_bytes(b"o" * 32))
ENTRIES = make_leaves(40)


def _made(index, size, *, entries=ENTRIES, signer=SIGNER):
    leaves = [merkle.leaf_hash(entry) for entry in entries[:size]]
    head = Checkpoint(origin=signer.name, size=size, root=merkle.root(leaves))
    return Receipt(
        entry=entries[index],
        index=index,
        proof=merkle.inclusion_proof(index, leaves),
        checkpoint=sign_checkpoint(head, signer),
    )


def _failed(data, key=SIGNER.key):
    return receipt.verify_receipt(data, key).failed


@given(st.integers(1, len(ENTRIES)), st.data())
def test_every_entry_of_every_log_has_a_receipt_that_verifies(size, data):
    made = _made(data.draw(st.integers(0, size - 1)), size)
    written = made.to_bytes()
    assert receipt.parse_receipt(written) == made
    assert receipt.verify_receipt(written, SIGNER.key).ok


def test_it_is_written_as_the_specification_says():
    made = _made(1, 3)
    lines = made.to_bytes().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(ENTRIES[1]).decode()
    assert lines[2] == "index 1"
    assert [len(base64.b64decode(line)) for line in lines[3:5]] == [32, 32]
    assert lines[5:7] == ["", SIGNER.name]


@given(st.data())
def test_no_byte_of_it_can_be_changed(data):
    written = bytearray(_made(5, 37).to_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    assert _failed(bytes(written)) is not None


@given(st.data())
def test_cut_short_it_is_refused(data):
    written = _made(5, 37).to_bytes()
    assert _failed(written[: data.draw(st.integers(0, len(written) - 1))]) is not None


def test_what_fails_is_named():
    made = _made(5, 37)
    longer = [*made.proof, b"x" * 32]
    changes = {
        "checkpoint": {"checkpoint": _made(5, 37, signer=OTHER).checkpoint},
        "entry": {"entry": b"{}"},
        "inclusion": {"entry": ENTRIES[6]},
    }
    for step, change in changes.items():
        parts = {name: getattr(made, name) for name in ("entry", "index", "proof", "checkpoint")}
        assert _failed(Receipt(**{**parts, **change}).to_bytes()) == step
    for index in (4, 36, 37):
        wrong = Receipt(entry=made.entry, index=index, proof=made.proof, checkpoint=made.checkpoint)
        assert _failed(wrong.to_bytes()) == "inclusion"
    for proof in ((), longer, made.proof[::-1]):
        wrong = Receipt(entry=made.entry, index=5, proof=proof, checkpoint=made.checkpoint)
        assert _failed(wrong.to_bytes()) == "inclusion"
    assert _failed(made.to_bytes(), OTHER.key) == "checkpoint"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("extra ", "extra  "),
        ("extra ", ""),
        ("index 5", "index 05"),
        ("index 5", "index -5"),
        ("index 5", "index 5 "),
        ("index 5", "index \u0665"),
        ("index 5\n", "index 5\r\n"),
        ("index 5\n", "index 5\nAAAA\n"),
        ("index 5\n", "index 5\n" + "A" * 43 + "=\n" * 1 + ("A" * 43 + "=\n") * 63),
    ],
)
def test_another_form_is_refused(old, new):
    text = _made(5, 37).to_bytes().decode()
    with pytest.raises(MalformedReceipt):
        receipt.parse_receipt(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\x00" * 100, b"x" * 2_000_000])
def test_what_is_no_receipt_is_refused(data):
    assert _failed(data) == "receipt"
