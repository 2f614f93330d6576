"""Several processes that read a bundle say exactly what one says, whatever is in it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from broadcaster.ledger import sharing, unbundle, verify
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.merkle import Frontier, complete_subtrees, leaf_hash
from broadcaster.ledger.verify import verify_bundle

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are copied on Linux only"
)

COUNT = 300


@pytest.fixture(autouse=True)
def many_small_spans(monkeypatch):
    monkeypatch.setattr(unbundle, "_SPAN", 3 * MAX_LEAF_BYTES // 2)
    monkeypatch.setattr(verify, "_MANY_BYTES", 0)


@pytest.fixture
def both(tmp_path):
    """Verify by one process and by three; both must say the same."""

    def run(data, **options):
        path = tmp_path / "ledger.zip"
        path.write_bytes(data)
        with path.open("rb") as file:
            alone = verify_bundle(file, **options)
            shared = verify_bundle(file, **options, helpers=2)
        assert shared == alone
        return shared

    return run


@pytest.fixture(scope="module")
def leaves(log):
    """Enough for several spans, with a document among them that the quick look does not know."""
    made = log.make_leaves(COUNT)
    made[150:150] = [log.document.to_bytes()]
    # Whoever comes after it names an index that is now one higher.
    later = [json.loads(leaf) for leaf in made[151:]]
    for one in later:
        one["prev"] += one["prev"] >= 150
    return made[:151] + [
        json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        for one in later
    ]


@pytest.mark.parametrize("size", [0, 1, 2, 149, 150, 151, 200, COUNT, COUNT + 1])
def test_an_honest_bundle_and_what_it_was_before(log, leaves, both, size):
    report = both(
        log.make_bundle(leaves), vkey=log.signer.key, since=log.make_checkpoint(leaves[:size])
    )
    assert report.ok
    assert f"{COUNT + 1} entries" in report.to_text()


def test_another_history_is_a_fork(log, leaves, both):
    old = log.make_checkpoint([*leaves[:99], leaves[3]])

    report = both(log.make_bundle(leaves), since=old)

    assert report.failed == "extension"


@pytest.mark.parametrize("seed", range(25))
def test_whatever_is_changed_in_the_entries(log, leaves, both, seed):
    chance = random.Random(seed)  # noqa: S311 - the same changes every time

    def change(files, _manifest):
        lines = files["entries.jsonl"].split(b"\n")
        at, other = sorted(chance.sample(range(len(lines) - 1), 2))
        if seed % 5 == 0:
            lines[at], lines[other] = lines[other], lines[at]
        elif seed % 5 == 1:
            del lines[at]
        elif seed % 5 == 2:
            lines.insert(at, lines[other])
        elif seed % 5 == 3:
            place = chance.randrange(len(lines[at]))
            lines[at] = lines[at][:place] + b"7" + lines[at][place + 1 :]
        else:
            lines[at] = chance.choice([b"", b"{}", b"x" * (MAX_LEAF_BYTES + 1), b"\xff"])
        files["entries.jsonl"] = b"\n".join(lines)

    report = both(log.rebuild(log.make_bundle(leaves), change))

    # A digit may have been changed into itself.
    assert not report.ok or seed % 5 == 3


@pytest.mark.parametrize("cut", [b"", b'{"half'])
def test_entries_whose_end_is_not_one(log, leaves, both, cut):
    data = log.make_bundle(leaves)
    at = data.index(leaves[-1] + b"\n") + len(leaves[-1])

    # The frame stays as it is: only the last line feed is another byte.
    report = both(data[:at] + (cut or b" ")[:1] + data[at + 1 :])

    assert report.failed == "entries"


@pytest.mark.parametrize("made", [0, 1])
def test_where_no_more_processes_can_be_made_there_are_fewer(log, leaves, both, made, monkeypatch):
    fork, left = os.fork, [None] * made

    def refuse():
        if not left:
            raise BlockingIOError
        left.pop()
        return fork()

    monkeypatch.setattr(os, "fork", refuse)

    assert both(log.make_bundle(leaves)).ok


def test_a_helper_that_is_ended_from_outside_is_no_verdict(log, leaves, tmp_path, monkeypatch):
    monkeypatch.setattr(sharing, "_look", lambda *_given: os._exit(9))
    path = tmp_path / "ledger.zip"
    path.write_bytes(log.make_bundle(leaves))

    with path.open("rb") as file, pytest.raises(OSError, match="ended from outside"):
        verify_bundle(file, helpers=2)


def test_helpers_end_with_the_process_that_asked(log, leaves, tmp_path):
    """Also if that is killed: each would wait for ever for the next question."""
    path = tmp_path / "ledger.zip"
    path.write_bytes(log.make_bundle(leaves))
    program = (
        "import os, sys, time\n"
        "from broadcaster.ledger.sharing import Helpers\n"
        "with open(sys.argv[1], 'rb') as file, Helpers(file.fileno(), 3) as helpers:\n"
        "    print(os.getpid(), len(helpers.connections), flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as asking:
        number, helpers = asking.stdout.readline().split()
        assert helpers == "3"
        os.kill(int(number), signal.SIGKILL)
        asking.wait()
        # Of its session nobody is left, soon.
        until = time.monotonic() + 20
        while _lives(int(number)):
            assert time.monotonic() < until
            time.sleep(0.02)


def _lives(session):
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("before", [0, 1, 5, 64, 100])
@pytest.mark.parametrize("more", [1, 2, 63, 64, 200])
def test_subtrees_make_the_tree_that_leaves_make(before, more):
    hashes = [leaf_hash(b"%d" % number) for number in range(before + more)]
    begun = Frontier().extend(hashes[:before])

    grown = begun.extend_by(complete_subtrees(before, hashes[before:]))

    assert grown == Frontier().extend(hashes)
