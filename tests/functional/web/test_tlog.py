"""The log for anyone to audit: checkpoint, tiles and entries, as a client of another log reads them."""

from __future__ import annotations

import pytest

from broadcaster.ledger import merkle
from broadcaster.ledger.checkpoint import open_checkpoint
from broadcaster.ledger.tiles import Tile, edge, unpack_entries
from broadcaster.services import audit
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf

SIZE = 256 + 44


@pytest.fixture
def logged(site):
    """A site whose ledger has entries that the newest checkpoint covers, and one that is newer."""
    with site.runtime.transaction() as session:
        before = ledger.frontier(session).size
        leaves = [Leaf(data=b"%d" % number) for number in range(SIZE - before)]
        ledger.append(session, leaves, site.runtime.clock.now())
    audit.sign_what_is_new(site.runtime)
    with site.runtime.transaction() as session:
        ledger.append(session, [Leaf(data=b"newer")], site.runtime.clock.now())
    return site


def test_a_client_audits_the_whole_log_without_signing_in(logged):
    browser = logged.browser()
    note = browser.get("/ledger/checkpoint")
    assert note.content_type == "text/plain; charset=utf-8"
    head = open_checkpoint(note.data, logged.runtime.signer.key)
    assert head.size == SIZE

    bundles = [Tile(None, 0), Tile(None, 1, 44)]
    entries = [
        entry
        for bundle in bundles
        for entry in unpack_entries(browser.get(f"/ledger/tile/{bundle.to_path()}").data)
    ]
    assert merkle.root(map(merkle.leaf_hash, entries)) == head.root

    hashes = b"".join(
        browser.get(f"/ledger/tile/{tile.to_path()}").data
        for tile in (Tile(0, 0), *(tile for tile in edge(SIZE) if tile.level == 0))
    )
    assert hashes == b"".join(map(merkle.leaf_hash, entries))
    assert browser.get("/ledger/tile/1/000.p/1").data == merkle.root(
        map(merkle.leaf_hash, entries[:256])
    )


def test_a_tile_never_changes_so_it_may_be_kept(logged):
    answer = logged.browser().get("/ledger/tile/0/000")
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    part = logged.browser().get("/ledger/tile/0/000.p/3")
    assert part.data == answer.data[: 3 * 32]


@pytest.mark.parametrize(
    "path",
    ["0/001", "0/001.p/45", "entries/001.p/45", "2/000.p/1", "0/0", "0/x000/001", "data", "0/000/"],
)
def test_what_the_checkpoint_does_not_cover_is_not_there(logged, path):
    assert logged.browser().get(f"/ledger/tile/{path}").status_code == 404


def test_before_the_first_checkpoint_there_is_nothing_to_audit(site):
    assert site.browser().get("/ledger/checkpoint").status_code == 404
    assert site.browser().get("/ledger/tile/0/000.p/1").status_code == 404


@pytest.mark.parametrize(
    ("publish", "shown"), [("entries", (200, 200)), ("hashes", (200, 404)), ("nothing", (404, 404))]
)
def test_the_operator_says_what_is_published(new_site, publish, shown):
    site = new_site(more={"BROADCASTER_LEDGER__PUBLISH": publish})
    with site.runtime.transaction() as session:
        ledger.append(session, [Leaf(data=b"one")], site.runtime.clock.now())
    audit.sign_what_is_new(site.runtime)
    browser = site.browser()
    paths = "/ledger/tile/0/000.p/1", "/ledger/tile/entries/000.p/1"
    assert tuple(browser.get(path).status_code for path in paths) == shown
    assert browser.get("/ledger/checkpoint").status_code == 200
