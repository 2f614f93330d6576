"""A leaf that is taken out of the tree is found by nobody, and every other leaf is as before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.core import keytree

ROOT = {"": bytes(range(32))}
LEAVES = st.integers(0, keytree.LEAVES - 1)
SOME = [0, 1, 15, 16, 255, 256, 4095, 4096, 40_000, keytree.LEAVES - 1]


def test_every_leaf_has_a_key_of_its_own():
    keys = {keytree.derive(ROOT, leaf) for leaf in range(0, keytree.LEAVES, 97)}

    assert len(keys) == len(range(0, keytree.LEAVES, 97))
    assert {len(key) for key in keys} == {32}


@settings(max_examples=50)
@given(st.lists(LEAVES, max_size=12), st.lists(LEAVES, max_size=20))
def test_what_is_taken_out_is_gone_and_the_rest_stays(taken, others):
    nodes = ROOT
    for leaf in taken:
        nodes = keytree.take_out(nodes, leaf)

    for leaf in {*others, *SOME} - set(taken):
        assert keytree.derive(nodes, leaf) == keytree.derive(ROOT, leaf)
    for leaf in taken:
        assert keytree.derive(nodes, leaf) is None
        # Nor is any seed kept from which it follows.
        path = keytree.path_of(leaf)
        assert not any(path.startswith(node) for node in nodes)


def test_the_order_does_not_matter_and_again_changes_nothing():
    one = keytree.take_out(keytree.take_out(ROOT, 5), 6)
    other = keytree.take_out(keytree.take_out(ROOT, 6), 5)

    assert one == other == keytree.take_out(one, 5)


def test_the_tree_stays_small():
    nodes = ROOT
    for leaf in range(0, keytree.LEAVES, 700):
        nodes = keytree.take_out(nodes, leaf)

    assert len(nodes) <= keytree.DEPTH * 15 * len(range(0, keytree.LEAVES, 700))
