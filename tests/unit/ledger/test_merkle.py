"""The Merkle tree: published vectors, and a slow transcription of RFC 9162 that must agree."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import merkle, proof
from broadcaster.ledger.errors import (
    FrontierError,
    ProofError,
    RootMismatch,
    WrongHashLength,
    WrongProofLength,
    WrongRange,
)

# RFC 9162 section 2.1, word for word and as slow as it reads.


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@cache
def mth(d):
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return hashlib.sha256(b"\x00" + d[0]).digest()
    k = split(len(d))
    return hashlib.sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m, d, b):
    if m == len(d):
        return [] if b else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]  # noqa: FBT003 - as in the RFC


def entries(size):
    return tuple(f"entry-{index}".encode() for index in range(size))


def hashes(size):
    return [merkle.leaf_hash(entry) for entry in entries(size)]


def expected_length(index, size):
    """How long the RFC's proof is, whatever its hashes are."""
    length = 0
    while size > 1:
        k = split(size)
        index, size = (index, k) if index < k else (index - k, size - k)
        length += 1
    return length


def test_the_published_hashes_come_out(vectors):
    for vector in vectors["published_hasher"]["vectors"]:
        if vector["what"] == "empty tree":
            calculated = merkle.root([])
        elif vector["what"] == "leaf":
            calculated = merkle.leaf_hash(bytes.fromhex(vector["entry_hex"]))
        else:
            calculated = merkle.node_hash(
                bytes.fromhex(vector["left_hex"]), bytes.fromhex(vector["right_hex"])
            )
        assert calculated.hex() == vector["hash"]


def test_the_published_and_derived_roots_come_out(vectors):
    published = vectors["published_tree"]
    leaves = [merkle.leaf_hash(bytes.fromhex(item)) for item in published["leaf_inputs_hex"]]
    for size, root in enumerate(published["root_hashes_by_size"]):
        assert merkle.root(leaves[:size]).hex() == root
    for size, root in enumerate(vectors["derived_trees"]["roots"]):
        assert merkle.root(hashes(size)).hex() == root


def inclusion_reason(vector):
    """The error an invalid vector deserves, judged without the verifier."""
    size, index = vector["tree_size"], vector["leaf_index"]
    if index >= size:
        return WrongRange
    if any(len(item) != 64 for item in (vector["leaf_hash"], vector["root"], *vector["proof"])):
        return WrongHashLength
    if len(vector["proof"]) != expected_length(index, size):
        return WrongProofLength
    return RootMismatch


def test_each_published_inclusion_proof_holds_or_fails_for_its_reason(vectors):
    reasons = set()
    for vector in vectors["published_inclusion"]["vectors"]:
        arguments = (
            vector["leaf_index"],
            vector["tree_size"],
            bytes.fromhex(vector["leaf_hash"]),
            [bytes.fromhex(item) for item in vector["proof"]],
            bytes.fromhex(vector["root"]),
        )
        if vector["valid"]:
            proof.verify_inclusion(*arguments)
            continue
        with pytest.raises(ProofError) as caught:
            proof.verify_inclusion(*arguments)
        assert type(caught.value) is inclusion_reason(vector), vector["file"]
        reasons.add(type(caught.value))
    assert reasons == {WrongRange, WrongHashLength, WrongProofLength, RootMismatch}


@pytest.mark.parametrize(
    ("desc", "reason"),
    [
        ("empty root", {RootMismatch}),
        ("random root", {RootMismatch}),
        ("modified proof[0] bit @3", {RootMismatch}),
        ("wrong leaf", {WrongHashLength}),
        ("trailing garbage", {WrongHashLength}),
        ("preceding root", {WrongProofLength}),
        ("trailing root", {WrongProofLength}),
        ("inserted component", {WrongProofLength}),
        ("removed component", {WrongProofLength}),
    ],
)
def test_the_reason_fits_what_was_done_to_an_inclusion_proof(vectors, desc, reason):
    found = [
        inclusion_reason(vector)
        for vector in vectors["published_inclusion"]["vectors"]
        if vector["desc"] == desc and "/additional/" not in vector["file"]
        if "/single-entry/" not in vector["file"]
    ]
    assert found
    assert set(found) <= reason


def consistency_reason(vector):
    """The error an invalid vector deserves, judged without the verifier."""
    size1, size2, items = vector["size1"], vector["size2"], vector["proof"]
    if not 0 < size1 <= size2:
        return WrongRange
    if any(len(item) != 64 for item in (vector["root1"], vector["root2"], *items)):
        return WrongHashLength
    if len(items) != len(subproof(size1, entries(size2), True)):  # noqa: FBT003 - as in the RFC
        return WrongProofLength
    return RootMismatch


def test_each_published_consistency_proof_holds_or_fails_for_its_reason(vectors):
    reasons = set()
    for vector in vectors["published_consistency"]["vectors"]:
        arguments = (
            vector["size1"],
            vector["size2"],
            bytes.fromhex(vector["root1"]),
            bytes.fromhex(vector["root2"]),
            [bytes.fromhex(item) for item in vector["proof"]],
        )
        if vector["valid"] and "insists on 32-byte roots" not in vector.get("note", ""):
            proof.verify_consistency(*arguments)
            continue
        with pytest.raises(ProofError) as caught:
            proof.verify_consistency(*arguments)
        assert type(caught.value) is consistency_reason(vector), vector["file"]
        reasons.add(type(caught.value))
    assert reasons == {WrongRange, WrongHashLength, WrongProofLength, RootMismatch}


def test_the_derived_proofs_are_made_and_verified(vectors):
    derived = vectors["derived_trees"]
    for vector in derived["inclusion"]:
        index, leaves = vector["index"], hashes(vector["size"])
        made = merkle.inclusion_proof(index, leaves)
        assert [item.hex() for item in made] == vector["proof"]
        proof.verify_inclusion(index, len(leaves), leaves[index], made, merkle.root(leaves))
    for vector in derived["consistency"]:
        size1, leaves = vector["size1"], hashes(vector["size2"])
        made = merkle.consistency_proof(size1, leaves)
        assert [item.hex() for item in made] == vector["proof"]
        roots = merkle.root(leaves[:size1]), merkle.root(leaves)
        proof.verify_consistency(size1, len(leaves), *roots, made)


@pytest.mark.parametrize("size", range(71))
def test_every_root_and_proof_up_to_seventy_agrees_with_the_rfc(size):
    d, leaves = entries(size), hashes(size)
    root = merkle.root(leaves)
    assert root == mth(d)
    for index in range(size):
        made = merkle.inclusion_proof(index, leaves)
        assert made == path(index, d)
        proof.verify_inclusion(index, size, leaves[index], made, root)
        earlier = index + 1
        made = merkle.consistency_proof(earlier, leaves)
        assert made == subproof(earlier, d, True)  # noqa: FBT003 - as in the RFC
        proof.verify_consistency(earlier, size, mth(d[:earlier]), root, made)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=400), st.data())
def test_random_trees_agree_with_the_rfc(leaves, data):
    d, found = tuple(leaves), [merkle.leaf_hash(leaf) for leaf in leaves]
    index = data.draw(st.integers(0, len(d) - 1))
    assert merkle.root(found) == mth(d)
    assert merkle.inclusion_proof(index, found) == path(index, d)
    assert merkle.consistency_proof(index + 1, found) == subproof(index + 1, d, True)  # noqa: FBT003 - as in the RFC


@given(st.integers(1, 2**62), st.data())
def test_proofs_need_only_stored_subtrees_even_in_huge_trees(size, data):
    """Each hash asked for is a complete subtree inside the tree, and a proof asks for few."""
    asked = []

    def subtree(level, index):
        asked.append((level, index))
        assert (index + 1) << level <= size
        return hashlib.sha256(f"{level}/{index}".encode()).digest()

    index = data.draw(st.integers(0, size - 1))
    assert len(merkle.inclusion_path(index, size, subtree)) == expected_length(index, size)
    merkle.consistency_path(index + 1, size, subtree)
    assert len(asked) <= 4 * 62


@given(st.integers(1, 200), st.data())
def test_a_flipped_bit_in_an_inclusion_proof_is_caught(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = hashes(size)
    parts = [leaves[index], merkle.root(leaves), *merkle.inclusion_proof(index, leaves)]
    changed = flip_one(parts, data)
    with pytest.raises(RootMismatch):
        proof.verify_inclusion(index, size, changed[0], changed[2:], changed[1])


@given(st.integers(2, 200), st.data())
def test_a_flipped_bit_in_a_consistency_proof_is_caught(size, data):
    earlier = data.draw(st.integers(1, size))
    leaves = hashes(size)
    made = merkle.consistency_proof(earlier, leaves)
    parts = [merkle.root(leaves[:earlier]), merkle.root(leaves), *made]
    changed = flip_one(parts, data)
    with pytest.raises(RootMismatch):
        proof.verify_consistency(earlier, size, changed[0], changed[1], changed[2:])


def test_every_flipped_bit_of_one_proof_is_caught():
    leaves = hashes(7)
    root, made = merkle.root(leaves), merkle.inclusion_proof(3, leaves)
    for part, item in enumerate(made):
        for bit in range(256):
            changed = [*made[:part], flip(item, bit), *made[part + 1 :]]
            with pytest.raises(RootMismatch):
                proof.verify_inclusion(3, 7, leaves[3], changed, root)


def flip(data, bit):
    return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(len(data), "big")


def flip_one(parts, data):
    chosen = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    return [flip(item, bit) if at == chosen else item for at, item in enumerate(parts)]


def test_a_root_mismatch_carries_both_roots():
    leaves = hashes(3)
    with pytest.raises(RootMismatch) as caught:
        proof.verify_inclusion(0, 3, leaves[0], merkle.inclusion_proof(0, leaves), bytes(32))
    assert caught.value.expected == bytes(32)
    assert caught.value.calculated == merkle.root(leaves)
    assert merkle.root(leaves).hex() in str(caught.value)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3), (2**64, 2**63)])
def test_no_proof_exists_for_a_leaf_outside_the_tree(index, size):
    with pytest.raises(WrongRange):
        proof.verify_inclusion(index, size, bytes(32), [], bytes(32))
    with pytest.raises(WrongRange):
        merkle.inclusion_path(index, size, lambda *_: bytes(32))


@pytest.mark.parametrize(("size1", "size2"), [(0, 0), (0, 3), (4, 3), (-1, 3)])
def test_no_proof_leads_from_nothing_or_backwards(size1, size2):
    with pytest.raises(WrongRange):
        proof.verify_consistency(size1, size2, bytes(32), bytes(32), [])
    with pytest.raises(WrongRange):
        merkle.consistency_path(size1, size2, lambda *_: bytes(32))


@given(st.lists(st.binary(max_size=4), max_size=100), st.integers(0, 100))
def test_a_frontier_stored_and_read_back_grows_to_the_same_root(leaves, at):
    found = [merkle.leaf_hash(leaf) for leaf in leaves]
    stored = merkle.Frontier().extend(found[:at]).to_bytes()
    frontier = merkle.Frontier.from_bytes(stored)
    for item in found[at:]:
        frontier = frontier.append(item)
    assert (frontier.size, frontier.root()) == (len(leaves), mth(tuple(leaves)))
    assert len(frontier.hashes) == len(leaves).bit_count()


def test_appending_leaves_the_old_frontier_as_it_was():
    frontier = merkle.Frontier().extend(hashes(5))
    before = frontier.root()
    frontier.append(bytes(32))
    assert frontier.root() == before


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes(7) + b"\x01",
        bytes(8 + 32),
        bytes(7) + b"\x03" + bytes(32),
        bytes(7) + b"\x01" + bytes(31),
    ],
)
def test_a_damaged_frontier_is_refused(data):
    with pytest.raises(FrontierError):
        merkle.Frontier.from_bytes(data)


def test_a_frontier_takes_hashes_only():
    with pytest.raises(WrongHashLength):
        merkle.Frontier().append(b"entry-0")
    with pytest.raises(FrontierError):
        merkle.Frontier(size=1, hashes=(b"short",))


@pytest.mark.parametrize("level", range(9))
def test_the_root_of_a_complete_subtree_is_that_of_the_tree(level):
    hashes = [merkle.leaf_hash(bytes([number % 251])) for number in range(1 << level)]
    assert merkle.complete_root(hashes) == merkle.root(hashes)
