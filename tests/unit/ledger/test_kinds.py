"""A file of another kind is named as what it is, and never called changed: exit code 2, not 1."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import __main__ as ours
from broadcaster.ledger import shipped
from broadcaster.ledger.kinds import CHECKED, Kind, recognise
from broadcaster.ledger.receipt import HEADER, Receipt


def zipped(*names):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return written.getvalue()


@pytest.fixture(scope="module")
def made(log):
    """One file of each kind, and what else people have at hand."""
    leaves = log.make_leaves(4)
    note = log.make_checkpoint(leaves)
    pack = {"v": "broadcaster/evidence/1", "entries": [], "vkey": ""}
    table = b"index,recorded,occurred,subject,event\r\n0,2026,2026,,document notice\r\n"
    return {
        "ledger.zip": (Kind.BUNDLE, log.make_bundle(leaves)),
        "part.zip": (Kind.BUNDLE, log.make_part(leaves, log.part, [0, 1, 3])),
        "one.tlog-proof": (
            Kind.RECEIPT,
            Receipt(entry=leaves[0], index=0, proof=[], checkpoint=note).to_bytes(),
        ),
        "pack.json": (Kind.PACK, json.dumps(pack, indent=1).encode()),
        "sorted.json": (Kind.PACK, json.dumps({"a": "x" * 99_999} | pack, sort_keys=True).encode()),
        "old.checkpoint": (Kind.CHECKPOINT, note),
        "windows.checkpoint": (Kind.CHECKPOINT, note.replace(b"\n", b"\r\n")),
        "ledger.vkey": (Kind.KEY, log.signer.key.to_text().encode() + b"\n"),
        "ledger.jsonl": (Kind.TABLE, b"".join(leaf + b"\n" for leaf in leaves)),
        "ledger.csv": (Kind.TABLE, table),
        "excel.csv": (Kind.TABLE, b"\xef\xbb\xbf" + table.replace(b",", b";")),
        "ledger.xlsx": (Kind.TABLE, zipped("[Content_Types].xml", "xl/workbook.xml")),
        "pack.html": (Kind.PAGE, b"\n<!doctype html>\n<html lang=en>"),
        "pack.pdf": (Kind.PAGE, b"%PDF-1.7\n"),
        "empty": (Kind.EMPTY, b""),
        "hello.txt": (Kind.UNKNOWN, b"hello"),
        "people.csv": (Kind.UNKNOWN, b"number;when;medium\n"),
        "photos.zip": (Kind.UNKNOWN, zipped("photo.jpg")),
        "other.json": (Kind.UNKNOWN, b'{"v": 1}'),
        "list.json": (Kind.UNKNOWN, b"[]"),
        "noise": (Kind.UNKNOWN, os.urandom(500)),
        "verify.py": (Kind.UNKNOWN, shipped.verifier()),
    }


@pytest.fixture
def folder(made, tmp_path):
    for name, (_kind, data) in made.items():
        (tmp_path / name).write_bytes(data)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def kind_of(data):
    return recognise(io.BytesIO(data))


def test_each_kind_is_recognised_and_the_file_stands_at_its_beginning(made):
    for name, (kind, data) in made.items():
        file = io.BytesIO(data)
        assert (recognise(file), file.tell()) == (kind, 0), name
    assert {kind for kind, _data in made.values()} == set(Kind)


SAID = {
    Kind.CHECKPOINT: "--since",
    Kind.KEY: "--vkey",
    Kind.TABLE: "--format bundle",
    Kind.PAGE: "JSON",
    Kind.EMPTY: "is empty",
    Kind.UNKNOWN: "no file of Broadcaster",
}


def test_what_cannot_be_checked_is_said_to_be_what_it_is_by_both(folder, made, program, capsys):
    for name, (kind, _data) in made.items():
        if kind in CHECKED:
            continue
        for run in (
            lambda *words: ours.main(["verify", *words]),
            lambda *words: program.main(words),
        ):
            assert run(name, "--json") == 2, name
            out, err = capsys.readouterr()
            assert out == ""
            assert name in err
            assert SAID[kind] in err
            assert "changed" not in err


@given(st.data())
def test_a_bundle_of_which_anything_was_cut_off_or_changed_is_still_one_that_fails(log, data):
    bundle = log.make_bundle(log.make_leaves(3))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(bundle))] * 2)))
    # As long as its beginning or its end is there, nobody is told that it is something else.
    if start >= 40 or end <= len(bundle) - 400:
        assert kind_of(bundle[:start] + bundle[end:]) is Kind.BUNDLE
    flipped = bytearray(bundle)
    flipped[data.draw(st.integers(0, len(bundle) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert kind_of(bytes(flipped)) is Kind.BUNDLE


def test_a_bundle_that_was_unpacked_and_packed_again_is_one_that_fails(folder, program):
    names = ("checkpoint", "vkey", "verify.py", "entries.jsonl", "manifest.json")
    again = zipped(*(f"ledger/{name}" for name in names))
    assert kind_of(again) is Kind.BUNDLE
    (folder / "again.zip").write_bytes(again)
    assert ours.main(["verify", "again.zip"]) == 1
    assert program.main(["again.zip"]) == 1


@given(st.binary(max_size=200))
def test_anything_at_all_has_a_kind_and_both_agree_on_it(program, data):
    kind = kind_of(data)
    assert program.kind_of(io.BytesIO(data)) == kind.value


def test_both_agree_on_every_file(made, program):
    for name, (kind, data) in made.items():
        assert program.kind_of(io.BytesIO(data)) == kind.value, name


def test_a_receipt_that_is_in_a_pipe_can_still_be_checked(folder, log):
    os.mkfifo("pipe")
    data = (folder / "one.tlog-proof").read_bytes()
    writer = threading.Thread(target=lambda: (folder / "pipe").write_bytes(data))
    writer.start()
    code = ours.main(["verify", "pipe", "--vkey", log.signer.key.to_text()])
    writer.join()
    # The proof does not lead to the root; what matters is that it was read.
    assert code == 1


def test_a_receipt_is_no_matter_for_the_verifier_in_a_bundle(folder, log, program, capsys):
    assert program.main(["one.tlog-proof", "--vkey", log.signer.key.to_text()]) == 2
    assert "broadcaster.ledger verify" in capsys.readouterr().err


def test_a_file_without_end_is_looked_at_in_little_memory_and_time(tmp_path):
    path = tmp_path / "zeros"
    with path.open("wb") as file:
        file.seek(10 * 2**30)
        file.write(HEADER.encode())
    command = [sys.executable, "-m", "broadcaster.ledger", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=20)  # noqa: S603 - our own program
    assert done.returncode == 2
    assert "no file of Broadcaster" in done.stderr
