"""Bundles: one exact form, streamed both ways, and nothing but that form is read."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from broadcaster.ledger import canonical
from broadcaster.ledger.bundle import stream_bundle, write_bundle
from broadcaster.ledger.entry import MAX_LEAF_BYTES
from broadcaster.ledger.errors import BundleError, UnknownSigner
from broadcaster.ledger.manifest import STREAMED, Manifest, Part, parse_manifest
from broadcaster.ledger.unbundle import MAX_FILE_BYTES, Bundle
from broadcaster.ledger.verify import verify_bundle
from broadcaster.ledger.zipform import Member, descriptor, directory, local_header


class OnlyWrite(io.RawIOBase):
    """A pipe: it can be written, and neither told nor sought."""

    def __init__(self):
        self.parts = []

    def writable(self):
        return True

    def write(self, data):
        self.parts.append(bytes(data))
        return len(data)


def zipped(files):
    """A zip as Python writes it, from (name, data) pairs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def framed(members, contents):
    """A file in our own form, with names and numbers of any kind."""
    body = b"".join(
        local_header(member) + contents[member.name] + descriptor(member) for member in members
    )
    return body + directory(members)


def contents_of(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    return [(name, archive.read(name)) for name in archive.namelist()]


def test_any_zip_program_reads_it(log):
    leaves = log.make_leaves(3)
    archive = zipfile.ZipFile(io.BytesIO(log.make_bundle(leaves)))
    assert archive.testzip() is None
    assert archive.namelist() == [
        "checkpoint",
        "vkey",
        "__main__.py",
        "verify.py",
        f"notices/{log.document.sha256}",
        "entries.jsonl",
        "manifest.json",
    ]
    assert archive.read("checkpoint") == log.make_checkpoint(leaves)
    assert archive.read("vkey").decode() == log.signer.key.to_text() + "\n"
    assert archive.read("entries.jsonl") == b"".join(leaf + b"\n" for leaf in leaves)
    assert archive.read(f"notices/{log.document.sha256}") == log.notice


def test_the_same_log_gives_the_same_bytes_and_a_pipe_is_enough(log):
    leaves, pipe = log.make_leaves(5), OnlyWrite()
    arguments = {
        "checkpoint": log.make_checkpoint(leaves),
        "key": log.signer.key,
        "notices": [log.notice, log.notice],
    }
    write_bundle(pipe, entries=iter(leaves), **arguments)
    streamed = b"".join(stream_bundle(entries=leaves, **arguments))
    assert b"".join(pipe.parts) == streamed == log.make_bundle(leaves)


def test_an_empty_log_has_a_bundle_too(log):
    bundle = Bundle(io.BytesIO(log.make_bundle([], notices=[])))
    assert bundle.read_manifest().size == 0
    assert list(bundle.read_entries()) == []


def test_what_was_written_is_read(log):
    leaves = log.make_leaves(40)
    bundle = Bundle(io.BytesIO(log.make_bundle(leaves)))
    manifest = bundle.read_manifest()
    assert parse_manifest(manifest.to_bytes()) == manifest
    assert [leaf for batch in bundle.read_entries() for leaf in batch] == leaves
    assert bundle.read(f"notices/{log.document.sha256}") == log.notice


def test_entries_that_do_not_lead_to_the_checkpoint_are_not_exported(log):
    leaves = log.make_leaves(3)
    chunks = stream_bundle(
        checkpoint=log.make_checkpoint(leaves), key=log.signer.key, entries=leaves[:2]
    )
    with pytest.raises(BundleError, match="do not lead"):
        list(chunks)


def test_a_checkpoint_by_another_key_is_not_exported(log):
    forged = log.make_checkpoint([]).splitlines(keepends=True)
    other = b"".join(forged[:-1]) + "\u2014 someone AAAAAAAA\n".encode()
    with pytest.raises(UnknownSigner):
        list(stream_bundle(checkpoint=other, key=log.signer.key, entries=[]))


@pytest.mark.parametrize("leaf", [b"a\nb", b"x" * (MAX_LEAF_BYTES + 1)])
def test_a_leaf_that_cannot_be_a_line_is_not_exported(log, leaf):
    chunks = stream_bundle(
        checkpoint=log.make_checkpoint([leaf]), key=log.signer.key, entries=[leaf]
    )
    with pytest.raises(BundleError):
        list(chunks)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_bundle_is_caught(log, bit):
    """The frame of the file included: dates, attributes, lengths, whatever programs ignore."""
    data = bytearray(log.make_bundle(log.make_leaves(2)))
    assert verify_bundle(io.BytesIO(data)).ok
    # The text of the verifier is long, and one file like another.
    verifier = range(data.index(b"Verifies a"), data.index(b"sys.exit(main(sys.argv[1:]))"))
    for at in [at for at in range(len(data)) if at not in verifier or at % 97 == 0]:
        data[at] ^= 1 << bit
        assert not verify_bundle(io.BytesIO(data)).ok, at
        data[at] ^= 1 << bit


def test_every_truncation_and_every_extension_is_refused(log):
    data = log.make_bundle(log.make_leaves(2))
    for length in [*range(0, len(data), 7), *range(len(data) - 2_000, len(data))]:
        with pytest.raises(BundleError):
            Bundle(io.BytesIO(data[:length]))
    for longer in (data + b"\0", b"\0" + data, data + data):
        with pytest.raises(BundleError):
            Bundle(io.BytesIO(longer))


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"hello", bytes(500), b"PK\x05\x06" + bytes(18), b"PK\x06\x06" + bytes(94)]
)
def test_what_is_no_zip_is_refused(data):
    with pytest.raises(BundleError, match=r"not a bundle|too early|missing"):
        Bundle(io.BytesIO(data))


def test_the_same_files_zipped_by_another_program_are_refused(log):
    with pytest.raises(BundleError, match="not where or how the writer puts it"):
        Bundle(io.BytesIO(zipped(contents_of(log.make_bundle(log.make_leaves(2))))))


def renamed(log, change):
    """The files of a good bundle, changed, in our own frame."""
    files = contents_of(log.make_bundle(log.make_leaves(2)))
    members, at = [], 0
    for name, data in change(files):
        member = Member(
            name=name, size=len(data), crc=zlib.crc32(data), offset=at,
            streamed=name in STREAMED,
        )  # fmt: skip
        members.append(member)
        at = member.end
    return framed(members, dict(change(files)))


def test_the_frame_of_these_tests_is_that_of_the_writer(log):
    assert renamed(log, list) == log.make_bundle(log.make_leaves(2))


@pytest.mark.parametrize(
    "change",
    [
        lambda files: [*files[:4], ("../../etc/passwd", b"x"), *files[4:]],
        lambda files: [*files[:4], ("/etc/passwd", b"x"), *files[4:]],
        lambda files: [*files[:4], ("notices/../x", b"x"), *files[4:]],
        lambda files: [*files[:4], ("notices\\" + "ab" * 32, b"x"), *files[4:]],
        lambda files: [*files[:4], ("notices/" + "AB" * 32, b"x"), *files[4:]],
        lambda files: [*files[:4], ("readme.txt", b"x"), *files[4:]],
        lambda files: [*files[:5], files[4], *files[5:]],
        lambda files: [files[0], *files],
        lambda files: [files[1], files[0], *files[2:]],
        lambda files: files[1:],
        lambda files: files[:-1],
        lambda files: files[:0],
    ],
    ids=[
        "parent folder",
        "root folder",
        "folder inside",
        "backslash",
        "capitals",
        "unknown",
        "document twice",
        "file twice",
        "wandering",
        "no checkpoint",
        "no manifest",
        "nothing",
    ],
)
def test_unknown_doubled_missing_and_wandering_names_are_refused(log, change):
    with pytest.raises(BundleError):
        Bundle(io.BytesIO(renamed(log, change)))


@pytest.mark.parametrize(
    "change",
    [
        lambda files: [*files[:4], ("notices/" + "ab" * 32, b"x"), *files[5:]],
        lambda files: [files[0], ("vkey", b"x"), *files[2:]],
        lambda files: [*files[:-1], ("manifest.json", b"{}")],
        lambda files: [*files[:-1], ("manifest.json", b"x" * 5_000_000)],
        lambda files: [*files[:-1], ("manifest.json", files[-1][1] + b"\n")],
    ],
    ids=["renamed", "shorter", "empty object", "huge", "line feed"],
)
def test_a_manifest_that_does_not_fit_the_files_is_refused(log, change):
    with pytest.raises(BundleError):
        Bundle(io.BytesIO(renamed(log, change))).read_manifest()


def manifest_with(**changed):
    good = {"files": [], "origin": "x", "part": None, "root": "ab" * 32, "size": 0}
    return canonical.encode({**good, "v": "broadcaster/bundle/1", **changed})


@pytest.mark.parametrize(
    "value",
    [
        b"[]",
        b"x",
        manifest_with(root=""),
        manifest_with(root="abc"),
        manifest_with(v="2"),
        manifest_with(size="0"),
        manifest_with(size=True),
        manifest_with(files=[{}]),
        manifest_with(files={}),
        manifest_with(part="nrc"),
        manifest_with(part={}),
        manifest_with(part={"list": 1}),
        manifest_with(part={"list": ""}),
        manifest_with(part={"subject": "nrc"}),
        manifest_with(part={"person": "ab" * 16}),
        manifest_with(part={"list": "nrc", "subject": "ab" * 16}),
    ],
)
def test_json_that_is_no_manifest_is_refused(value):
    with pytest.raises(BundleError):
        parse_manifest(value)


@pytest.mark.parametrize("part", [None, {"list": "nrc"}, {"subject": "ab" * 16}])
def test_the_manifest_of_these_tests_is_one_otherwise(part):
    assert parse_manifest(manifest_with(part=part)).size == 0


def test_a_changed_file_with_a_mended_checksum_still_contradicts_the_manifest(log):
    def change(files):
        return [(n, d.replace(b"17", b"18") if "notices" in n else d) for n, d in files]

    bundle = Bundle(io.BytesIO(renamed(log, change)))
    bundle.read_manifest()
    with pytest.raises(BundleError, match="not the hash"):
        bundle.read(f"notices/{log.document.sha256}")


def test_a_wrong_checksum_is_found_even_where_all_places_agree_on_it(log):
    """Other zip programs would call such a file damaged; so do we."""
    data = log.make_bundle(log.make_leaves(2))
    lines = dict(contents_of(data))["entries.jsonl"]
    crc = zlib.crc32(lines).to_bytes(4, "little")
    assert data.count(crc) == 2
    bundle = Bundle(io.BytesIO(data.replace(crc, bytes(4))))
    bundle.read_manifest()
    with pytest.raises(BundleError, match="damaged"):
        list(bundle.read_entries())


def test_encrypted_and_compressed_files_are_refused_by_name_of_the_reason(log):
    data = bytearray(log.make_bundle([], notices=[]))
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    with pytest.raises(BundleError, match="encrypted"):
        Bundle(io.BytesIO(data))
    data[central + 8] &= 0xFE
    data[central + 10] = 8
    with pytest.raises(BundleError, match="compressed"):
        Bundle(io.BytesIO(data))


def test_a_file_that_claims_to_be_huge_is_refused_before_it_is_read():
    claim = Member(name="checkpoint", size=2**62, crc=0, offset=0, streamed=True)
    data = local_header(claim) + b"x" + directory([claim])
    with pytest.raises(BundleError):
        Bundle(io.BytesIO(data))


def test_a_large_file_where_small_ones_belong_is_refused(log):
    def change(files):
        return [(n, d + b"x" * MAX_FILE_BYTES if n == "vkey" else d) for n, d in files]

    bundle = Bundle(io.BytesIO(renamed(log, change)))
    with pytest.raises(BundleError, match="larger"):
        bundle.read("vkey")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [(b"x" * (MAX_LEAF_BYTES + 1) + b"\n", "65,535"), (b"{}\n{}", "does not end")],
)
def test_lines_that_are_too_long_or_do_not_end_are_refused(log, lines, reason):
    def change(files):
        return [(n, lines if n == "entries.jsonl" else d) for n, d in files]

    bundle = Bundle(io.BytesIO(renamed(log, change)))
    with pytest.raises(BundleError, match=reason):
        list(bundle.read_entries())


def test_a_line_without_end_is_refused_before_it_fills_the_memory(log, tmp_path: Path):
    def change(files):
        return [(n, b"x" * 20_000_000 if n == "entries.jsonl" else d) for n, d in files]

    path = tmp_path / "bundle.zip"
    path.write_bytes(renamed(log, change))
    with path.open("rb") as file:
        bundle = Bundle(file)
        tracemalloc.start()
        with pytest.raises(BundleError, match="65,535"):
            list(bundle.read_entries())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6_000_000


def test_the_manifest_is_one_line_of_canonical_json():
    manifest = Manifest(origin="log", size=0, root="ab" * 32, files=())
    assert manifest.to_bytes() == (
        b'{"files":[],"origin":"log","part":null,"root":"%b","size":0,"v":"broadcaster/bundle/1"}'
        % (b"ab" * 32)
    )
    part = replace(manifest, part=Part("list", "nrc")).to_bytes()
    assert b',"part":{"list":"nrc"},' in part
