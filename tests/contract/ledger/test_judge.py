"""Our tree, proofs and notes before a judge that we did not write: the code of Go's checksum database.

It accepts ours, refuses what is false, and we accept its own.
"""

from __future__ import annotations

import base64
import hashlib
import random
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcaster.ledger import merkle, proof
from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from broadcaster.ledger.errors import ProofError
from broadcaster.ledger.keys import NoteSigner
from broadcaster.storage import ledger, tiles
from broadcaster.storage.ledger import Leaf

SIZE = 70_000
PROOFS = 10_000
_AT_ONCE = 1000
_DATA = [b"entry %d" % number for number in range(SIZE)]
_LEAVES = [merkle.leaf_hash(one) for one in _DATA]
_SIGNER = NoteSigner(
    name="news.example.org/ledger", private_key=Ed25519PrivateKey.from_private_bytes(b"k" * 32)
)


@cache
def _subtree(level, index):
    """Subtrees of the whole log, each worked out once."""
    if level == 0:
        return _LEAVES[index]
    return merkle.node_hash(_subtree(level - 1, 2 * index), _subtree(level - 1, 2 * index + 1))


def _root(size):
    return merkle.range_root(0, size, _subtree)


@pytest.fixture(scope="module")
def grown(judge):
    """The judge, once it has grown the same log; it came to the same root all along."""
    for start in range(0, SIZE, _AT_ONCE):
        leaves = [one.hex() for one in _LEAVES[start : start + _AT_ONCE]]
        assert judge.ask(op="grow", leaves=leaves)["root"] == _root(start + _AT_ONCE).hex()
    return judge


def _chosen(seed, count):
    """Sizes and places: anywhere, and at the edges where mistakes are made."""
    rng = random.Random(seed)  # noqa: S311 - the same each time
    powers = [1 << power for power in range(17)]
    near = sorted(
        {max(1, min(SIZE, one + by)) for one in (*powers, 256 * 257) for by in (-1, 0, 1)}
    )
    for _ in range(count):
        size = rng.choice(near) if rng.random() < 0.5 else rng.randint(1, SIZE)
        place = rng.choice(near) if rng.random() < 0.5 else rng.randint(1, SIZE)
        yield size, (place - 1) % size


def _included(size, index, path):
    return {
        "op": "inclusion",
        "size": size,
        "root": _root(size).hex(),
        "index": index,
        "leaf": _LEAVES[index].hex(),
        "proof": [one.hex() for one in path],
    }


def _extended(earlier, size, path):
    return {
        "op": "consistency",
        "size": size,
        "root": _root(size).hex(),
        "size1": earlier,
        "root1": _root(earlier).hex(),
        "proof": [one.hex() for one in path],
    }


def test_it_accepts_ten_thousand_of_our_proofs(judge):
    questions = []
    for size, index in _chosen(1, PROOFS // 2):
        questions.append(_included(size, index, merkle.inclusion_path(index, size, _subtree)))
        path = merkle.consistency_path(index + 1, size, _subtree)
        questions.append(_extended(index + 1, size, path))
    assert len(questions) == PROOFS
    assert [one for one in judge.ask_all(questions) if one] == []


def test_it_accepts_the_proofs_that_the_database_gives(judge, runtime):
    with runtime.transaction() as session:
        ledger.append(session, [Leaf(data=one) for one in _DATA], runtime.clock.now())
    questions = []
    with runtime.reading() as session:
        for size, index in _chosen(2, 300):
            read = tiles.subtrees(session)
            questions.append(_included(size, index, merkle.inclusion_path(index, size, read)))
            path = merkle.consistency_path(index + 1, size, read)
            questions.append(_extended(index + 1, size, path))
    assert [one for one in judge.ask_all(questions) if one] == []


def test_it_refuses_false_ones_as_we_do(judge):
    rng = random.Random(3)  # noqa: S311 - the same each time
    questions = []
    for size, index in _chosen(4, 500):
        path = merkle.inclusion_path(index, size, _subtree)
        if not path:
            continue
        spoilt = list(path)
        spoilt[rng.randrange(len(path))] = hashlib.sha256(b"no").digest()
        other = rng.choice([spoilt, path[:-1], [*path, path[-1]], path[::-1]])
        if other == path:
            continue
        questions.append(_included(size, index, other))
        with pytest.raises(ProofError):
            proof.verify_inclusion(index, size, _LEAVES[index], other, _root(size))
    assert len(questions) > 300
    assert all("error" in one for one in judge.ask_all(questions))


def test_we_accept_its_proofs(grown):
    for size, index in _chosen(5, 2500):
        path = grown.ask(op="prove", size=size, index=index).get("proof", [])
        made = [bytes.fromhex(one) for one in path]
        proof.verify_inclusion(index, size, _LEAVES[index], made, _root(size))
        path = grown.ask(op="extend", size=size, size1=index + 1).get("proof", [])
        made = [bytes.fromhex(one) for one in path]
        proof.verify_consistency(index + 1, size, _root(index + 1), _root(size), made)


def test_it_opens_our_checkpoints_and_we_open_its(judge):
    for size in (0, 1, 255, 256, SIZE):
        head = Checkpoint(
            origin=_SIGNER.name, size=size, root=_root(size) if size else merkle.EMPTY_ROOT
        )
        ours = sign_checkpoint(head, _SIGNER)
        vkey = _SIGNER.key.to_text()
        assert judge.ask(op="note", vkey=vkey, note=ours.decode()) == {"text": head.to_text()}
        theirs = judge.ask(op="sign", secret=_SIGNER.to_text(), note=head.to_text())["text"]
        assert theirs.encode() == ours
        assert open_checkpoint(theirs.encode(), _SIGNER.key) == head
        flipped = bytearray(base64.b64decode(ours.split()[-1]))
        flipped[-1] ^= 1
        forged = ours.replace(ours.split()[-1], base64.b64encode(bytes(flipped)))
        assert "error" in judge.ask(op="note", vkey=vkey, note=forged.decode())
