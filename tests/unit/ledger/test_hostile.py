"""Files made to harm: both verifiers name the step that fails, in little memory and little time."""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from broadcaster.ledger import canonical, shipped
from broadcaster.ledger.bundle import _Writer
from broadcaster.ledger.note import sign_note
from broadcaster.ledger.receipt import HEADER
from broadcaster.ledger.zipform import Member, descriptor, directory, local_header

ROOT = Path(__file__).parents[3]
HUGE = 10 * 2**30
# Far more than either takes, far less than what the files here claim to hold.
MEMORY = 400 * 2**20
PROGRAMS = {
    "ours": ["-m", "broadcaster.ledger", "verify"],
    "standalone": ["-I", "-S", "verify.py"],
}


@pytest.fixture(params=PROGRAMS)
def verify(request, tmp_path):
    """Runs one of the verifiers where memory is scarce."""
    (tmp_path / "verify.py").write_bytes(shipped.verifier())

    def run(*words):
        return subprocess.run(  # noqa: S603 - our own programs
            [sys.executable, *PROGRAMS[request.param], *map(str, words), "--json"],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
            text=True,
        )

    return run


def sparse(path, *pieces):
    """A file with holes; pieces are (place, bytes)."""
    with path.open("wb") as file:
        for place, data in pieces:
            file.seek(place)
            file.write(data)
    return path


def huge_bundle(log, path, name):
    """Ten gigabytes of zeros in the place of one file, in exactly the form that bundles have."""
    data = log.make_part(log.make_leaves(2), log.part, [1])
    archive = zipfile.ZipFile(io.BytesIO(data))
    files = {one: archive.read(one) for one in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    for record in manifest["files"]:
        if record["name"] == name:
            record["length"] = HUGE
    files["manifest.json"] = canonical.encode(manifest)
    members, pieces, at = [], [], 0
    for one, content in files.items():
        is_huge = one == name
        member = Member(
            name=one,
            size=HUGE if is_huge else len(content),
            crc=zlib.crc32(content),
            offset=at,
            streamed=one in {"entries.jsonl", "proofs.jsonl"},
        )
        members.append(member)
        pieces += [(at, local_header(member)), (member.start, b"" if is_huge else content)]
        pieces.append((member.start + member.size, descriptor(member)))
        at = member.end
    return sparse(path, *pieces, (at, directory(members)))


def failed(done):
    assert "Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)["failed"]


def test_ten_gigabytes_of_zeros_are_nothing_to_check(verify, tmp_path):
    path = sparse(tmp_path / "zeros.zip", (HUGE - 1, b"\0"))
    assert path.stat().st_size == HUGE
    done = verify(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no file of Broadcaster" in done.stderr
    assert "Traceback" not in done.stderr


def test_ten_gigabytes_of_zeros_before_a_good_end_are_no_bundle(verify, log, tmp_path):
    end = log.make_bundle(log.make_leaves(2))
    assert failed(verify(sparse(tmp_path / "late.zip", (HUGE, end)))) == "bundle"


@pytest.mark.parametrize("name", ["entries.jsonl", "proofs.jsonl"])
def test_ten_gigabytes_of_zeros_in_a_good_frame_are_no_entries(verify, log, tmp_path, name):
    path = huge_bundle(log, tmp_path / "huge.zip", name)
    assert path.stat().st_size > HUGE
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo(name).file_size == HUGE
    assert failed(verify(path)) == "entries"


def test_keys_and_checkpoints_without_end_are_read_no_further_than_they_can_be_long(
    verify, log, tmp_path
):
    (tmp_path / "good.zip").write_bytes(log.make_bundle(log.make_leaves(2)))
    zeros = sparse(tmp_path / "zeros", (HUGE - 1, b"\0"))
    assert failed(verify("good.zip", "--since", zeros)) == "anchor"
    assert verify("good.zip", "--vkey", zeros).returncode == 2


def test_a_receipt_without_end_is_refused(log, tmp_path):
    path = sparse(tmp_path / "zeros", (0, HEADER.encode()), (HUGE - 1, b"\0"))
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *PROGRAMS["ours"], path, "--json", "--vkey", log.signer.key.to_text()],
        capture_output=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        text=True,
    )
    assert failed(done) == "receipt"


def test_a_pack_without_end_is_refused(verify, tmp_path):
    start = b'{"v": "broadcaster/evidence/1"'
    assert failed(verify(sparse(tmp_path / "zeros", (0, start), (HUGE - 1, b"\0")))) == "pack"


def test_a_bomb_is_not_unpacked(verify, log, tmp_path):
    """A megabyte that would unpack to a gigabyte."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("checkpoint", "vkey", "__main__.py", "verify.py"):
            archive.writestr(name, b"x")
        with archive.open("entries.jsonl", "w") as member:
            for _ in range(1_000):
                member.write(bytes(2**20))
        archive.writestr("manifest.json", b"{}")
    assert path.stat().st_size < 2 * 2**20
    assert failed(verify(path)) == "bundle"


def test_files_that_lie_on_top_of_each_other_are_refused(agreed, log):
    """As in a bomb that needs no recursion: each entry of the directory names the same bytes."""
    data = log.make_bundle(log.make_leaves(2))
    place = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", place + 1)
    offset = struct.calcsize("<4s6H3L5H2L") - 4
    same = bytearray(data)
    same[second + offset : second + offset + 4] = bytes(4)
    assert agreed(bytes(same)) == "bundle"


NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "notices/../x",
    "..\\x",
    "C:\\x",
    "notices/" + "AB" * 32,
    "terms/" + "ab" * 31,
    "notices/" + "ab" * 32 + "/",
    "notices/" + "ab" * 32 + "\n",
    "con",
    "",
    "a" * 60_000,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_paths_are_refused_and_never_used(agreed, log, name):
    def change(files, _manifest):
        rest = {one: files.pop(one) for one in ("entries.jsonl",)}
        files[name] = b"x"
        files.update(rest)

    assert agreed(log.rebuild(log.make_bundle(log.make_leaves(2)), change)) == "bundle"


def test_more_documents_than_there_can_be_are_refused(agreed, log):
    def change(files, _manifest):
        rest = {one: files.pop(one) for one in ("entries.jsonl",)}
        files.update({f"terms/{number:064x}": b"" for number in range(10_001)})
        files.update(rest)

    assert agreed(log.rebuild(log.make_bundle(log.make_leaves(2)), change)) == "bundle"


CHECKPOINTS = [
    "{origin}\n{size}\n{short}\n",
    "{origin}\n{size}\n{long}\n",
    "{origin}\n{size}\n\n{root}\n",
    "{origin}\n0{size}\n{root}\n",
    "{origin}\n+{size}\n{root}\n",
    "{origin}\n{size} \n{root}\n",
    "{origin}\n{size}\n{root}=\n",
    "{origin}\n-1\n{root}\n",
    "{origin}\n1e1\n{root}\n",
    "{origin}\n99999999999999999999\n{root}\n",
    "{origin}\n{size}\n",
    "{origin}\n",
    "elsewhere\n{size}\n{root}\n",
    "\ufeff{origin}\n{size}\n{root}\n",
]


@pytest.mark.parametrize("form", CHECKPOINTS, ids=range(len(CHECKPOINTS)))
def test_a_checkpoint_of_another_form_is_refused_even_if_it_is_signed(agreed, log, form):
    """Hashes of other lengths among them."""
    leaves = log.make_leaves(3)
    origin, size, root = log.make_checkpoint(leaves).decode().splitlines()[:3]
    short, long = (base64.b64encode(bytes(count)).decode() for count in (31, 33))
    text = form.format(origin=origin, size=size, root=root, short=short, long=long)
    signed = sign_note(text, [log.signer])

    def change(files, _manifest):
        files["checkpoint"] = signed

    bundle = log.make_bundle(leaves)
    assert agreed(log.rebuild(bundle, change)) == "checkpoint"
    assert agreed(bundle, since=signed) == "anchor"


def test_lines_after_the_third_are_extensions_and_may_be_there(agreed, log):
    leaves = log.make_leaves(3)
    text = "".join(f"{line}\n" for line in log.make_checkpoint(leaves).decode().splitlines()[:3])

    def change(files, _manifest):
        files["checkpoint"] = sign_note(text + "an extension\n", [log.signer])

    assert agreed(log.rebuild(log.make_bundle(leaves), change)) is None


ENCODINGS = ["utf-16", "utf-32", "utf-8-sig", "utf-7"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("name", "step"),
    [("checkpoint", "checkpoint"), ("vkey", "key"), ("entries.jsonl", "entries")],
)
def test_other_encodings_are_refused(agreed, log, encoding, name, step):
    def change(files, _manifest):
        content = files[name].decode().encode(encoding)
        files[name] = content if content.endswith(b"\n") else content + b"\n"

    assert agreed(log.rebuild(log.make_bundle(log.make_leaves(3)), change)) == step


@pytest.mark.parametrize("reason", [b"\xe9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_entries_that_are_not_utf_8_are_refused(agreed, log, reason):
    """Latin-1, an overlong zero, a surrogate, and a number above the last character."""
    leaf = replace(log.consent, reason="caf?").to_bytes().replace(b"?", reason)
    assert agreed(log.make_bundle([leaf])) == "entries"


def test_a_manifest_in_another_encoding_is_refused(agreed, log):
    writer = _Writer()
    leaves = log.make_leaves(2)
    parts = [*writer.begin(log.make_checkpoint(leaves), log.signer.key, [log.notice], [])]
    parts += writer.add_lines("entries.jsonl", leaves)
    for encoding in ENCODINGS:
        mine = _Writer()
        mine.members = [*writer.members]
        last = mine.add("manifest.json", '{"v":"broadcaster/bundle/1"}'.encode(encoding))
        assert agreed(b"".join([*parts, last, directory(mine.members)])) == "manifest"
