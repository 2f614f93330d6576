"""The verifier inside every bundle: runs on bare Python, and finds exactly what ours finds."""

from __future__ import annotations

import ast
import io
import json
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcaster.ledger import merkle, shipped
from broadcaster.ledger.entry import parse
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.keys import NoteKey, NoteSigner, parse_vkey
from broadcaster.ledger.manifest import Part
from broadcaster.ledger.standalone import container, signatures
from broadcaster.ledger.verify import verify_bundle

OTHER = NoteSigner(
    name="broadcaster.example/ledger",
    private_key=Ed25519PrivateKey.from_private_bytes(bytes(32)),
)
ODD = Part("subject", f"{1:032x}")
ORDER = signatures.ORDER
# Points of small order, and numbers that name a point in a second way (RFC 8032, section 5.1.3).
ODD_POINTS = [
    bytes(32),
    b"\x01" + bytes(31),
    b"\x01" + bytes(30) + b"\x80",
    (signatures.P - 1).to_bytes(32, "little"),
    signatures.P.to_bytes(32, "little"),
    (signatures.P + 1).to_bytes(32, "little"),
    b"\xff" * 32,
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
]


def test_it_is_one_file_for_python_3_9_and_asks_for_nothing_else():
    tree = ast.parse(shipped.verifier(), feature_version=(3, 9))
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names
    assert "socket" not in imported


def test_no_two_of_its_modules_give_one_name_two_meanings():
    """They are joined, so a second definition would quietly replace the first."""
    names = [
        name
        for node in ast.parse(shipped.verifier()).body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [
                one.id
                for target in getattr(node, "targets", [])
                for one in ast.walk(target)
                if isinstance(one, ast.Name)
            ]
        )
    ]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


def test_both_have_the_same_starter():
    assert container.STARTER == shipped.STARTER


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_an_honest_bundle_is_verified(agreed, log, count):
    leaves = log.make_leaves(count)
    data = log.make_bundle(leaves, notices=None if leaves else [])
    assert agreed(data, vkey=log.signer.key) is None
    assert agreed(data) is None


@given(st.integers(1, 30), st.data())
def test_any_later_bundle_extends_any_checkpoint_kept_earlier(agreed, log, count, data):
    leaves = log.make_leaves(count)
    kept = log.make_checkpoint(leaves[: data.draw(st.integers(0, count))])
    assert agreed(log.make_bundle(leaves), since=kept) is None


def mended(name, old, new):
    """A change of a file that a forger has mended everything else for."""

    def change(files, _manifest):
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


def without(name):
    return lambda files, _manifest: files.pop(name)


def moved(files, _manifest):
    lines = files["entries.jsonl"].splitlines(keepends=True)
    files["entries.jsonl"] = b"".join([lines[0], lines[2], lines[1], *lines[3:]])


def cut(files, _manifest):
    files["entries.jsonl"] = files["entries.jsonl"].rpartition(b"{")[0]


def resized(field, value):
    return lambda _files, manifest: manifest.update({field: value})


def stowaway(files, _manifest):
    last = {name: files.pop(name) for name in ("entries.jsonl",)}
    files["terms/" + "ab" * 32] = b"x"
    files.update(last)


def evil(files, _manifest):
    files["__main__.py"] = b"print('Verified.')\n"


def foreign_key(files, _manifest):
    files["vkey"] = OTHER.key.to_text().encode() + b"\n"


NOTICE = "notices/a12348fa9545a42621497181991360a23049d5f3cd1b5a1558b9dfdec5c1d7c9"
TAMPERED = [
    (mended("entries.jsonl", b'"whatsapp"', b'"sms"'), "root"),
    (mended("entries.jsonl", b'"whatsapp"', b'"fax"'), "entries"),
    (mended("entries.jsonl", b'"actor"', b' "actor"'), "entries"),
    (mended("entries.jsonl", b"2026-01-31", b"2026-02-31"), "entries"),
    (mended("entries.jsonl", b"{", b"\xff{"), "entries"),
    (mended("entries.jsonl", b"}\n", b"}\r\n"), "entries"),
    (mended("entries.jsonl", b"}\n", b"}\n\n"), "entries"),
    (moved, "root"),
    (cut, "size"),
    (without(NOTICE), "documents"),
    (without("checkpoint"), "bundle"),
    (stowaway, "documents"),
    (mended(NOTICE, b"17", b"18"), "documents"),
    (mended("checkpoint", b"\n5\n", b"\n6\n"), "checkpoint"),
    (mended("checkpoint", b"\n5\n", b"\n05\n"), "checkpoint"),
    (mended("checkpoint", b"\n\n", b"\n"), "checkpoint"),
    (mended("checkpoint", b"=\n\n", b"\n\n"), "checkpoint"),
    (mended("checkpoint", b"\n\n", b"\n\xff\n\n"), "checkpoint"),
    (mended("vkey", b"+", b"-"), "key"),
    (mended("vkey", b"\n", b""), "key"),
    (mended("vkey", b"\n", b"\n\n"), "key"),
    (foreign_key, "checkpoint"),
    (evil, "manifest"),
    (resized("size", 6), "checkpoint"),
    (resized("root", "ab" * 32), "checkpoint"),
    (resized("root", "ab" * 31), "manifest"),
    (resized("origin", "elsewhere"), "checkpoint"),
    (resized("part", {"list": "nrc"}), "manifest"),
    (resized("v", "broadcaster/bundle/2"), "manifest"),
    (resized("more", 1), "manifest"),
]


@pytest.mark.parametrize(("change", "step"), TAMPERED, ids=range(len(TAMPERED)))
def test_what_a_forger_mends_fails_at_the_same_step_in_both(agreed, log, change, step):
    bundle = log.make_bundle(log.make_leaves(5))
    assert agreed(bundle) is None
    assert agreed(log.rebuild(bundle, change)) == step


def test_a_key_from_elsewhere_and_an_older_checkpoint_are_asked_by_both(agreed, log):
    leaves = log.make_leaves(5)
    forged = [*leaves[:3], leaves[3].replace(b'"whatsapp"', b'"sms"'), leaves[4]]
    bundle, kept = log.make_bundle(leaves), log.make_checkpoint(leaves[:4])
    assert agreed(log.make_bundle(leaves, OTHER), vkey=log.signer.key) == "key"
    assert agreed(log.make_bundle(forged), since=kept) == "extension"
    assert agreed(log.make_bundle(leaves[:3]), since=kept) == "anchor"
    for since in (log.make_checkpoint(leaves, OTHER), b"", b"hello\n", kept + b"x\n", b"\xff\n"):
        assert agreed(bundle, since=since) == "anchor"


@settings(max_examples=300)
@given(st.data())
def test_a_flipped_bit_anywhere_fails_at_the_same_step_in_both(agreed, log, data):
    leaves = log.make_leaves(4)
    bundle = bytearray(
        data.draw(st.sampled_from([log.make_bundle(leaves), log.make_part(leaves, ODD, [0, 1, 3])]))
    )
    bundle[data.draw(st.integers(0, len(bundle) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert agreed(bytes(bundle)) is not None


@settings(max_examples=100)
@given(st.data())
def test_a_bundle_that_was_cut_or_shuffled_fails_at_the_same_step_in_both(agreed, log, data):
    bundle = log.make_bundle(log.make_leaves(4))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(bundle))] * 2)))
    for changed in (bundle[:start], bundle[start:], bundle[:start] + bundle[end:]):
        expected = None if changed == bundle else "bundle"
        assert agreed(changed) == expected
    turned = bundle[:start] + bundle[start:end][::-1] + bundle[end:]
    assert (agreed(turned) is None) == (turned == bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)
SOME = st.sampled_from(
    [
        "", " ", "x", "*", "import", "admin", "given", "0" * 32, "a" * 64, "nl", "nl-BE", "P1Y",
        "P", 0, 1, True, None, -1, 2**53, "2026-02-29T00:00:00.000000Z", {}, "a\u2028b", "a" * 201,
        "2024-02-29T24:00:00.000000Z", "2024-02-29T23:59:59.999999Z", "0000-01-01T00:00:00.000000Z",
    ]
)  # fmt: skip


def ours_accepts(leaf):
    try:
        parse(leaf)
    except LedgerError:
        return False
    return True


def theirs_accepts(program, leaf):
    try:
        program.read_entry(leaf)
    except program.Refused:
        return False
    return True


@settings(max_examples=500)
@given(st.data())
def test_both_accept_the_same_entries(program, log, data):
    good = data.draw(st.sampled_from([log.consent, log.document]))
    value = json.loads(good.to_bytes())
    assert theirs_accepts(program, good.to_bytes())
    name = data.draw(st.sampled_from([*value, "more"]))
    if isinstance(value.get(name), dict) and data.draw(st.booleans()):
        value[name][data.draw(st.sampled_from([*value[name]]))] = data.draw(SOME | JSON)
    else:
        value[name] = data.draw(SOME | JSON)
    if data.draw(st.booleans()):
        value.pop(data.draw(st.sampled_from([*value])))
    leaf = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        errors="surrogatepass"
    )
    assert ours_accepts(leaf) == theirs_accepts(program, leaf)


@pytest.mark.parametrize(
    "leaf",
    [
        b"", b"{}", b"[]", b"null", b'"v"', b"\xff", b"[" * 60_000, b'{"a":' * 60_000, b"1" * 65_000,
        b'{"v":"broadcaster/consent/1"}', b'{"v":"broadcaster/consent/2"}', b'{"v":["x"]}',
        b'{"v":"broadcaster/document/1"}', b" " * 65_536, b'{"v":1,"v":"broadcaster/consent/1"}',
    ],
    ids=range(15),
)  # fmt: skip
def test_both_refuse_what_is_no_entry(program, leaf):
    assert not ours_accepts(leaf)
    assert not theirs_accepts(program, leaf)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.data())
def test_signatures_are_judged_as_by_openssl(seed, message, data):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert signatures.is_signed(public, message, signature)
    parts = [bytearray(public), bytearray(message), bytearray(signature)]
    part = data.draw(st.sampled_from([one for one in parts if one]))
    part[data.draw(st.integers(0, len(part) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not signatures.is_signed(*map(bytes, parts))


def openssl(public, message, signature):
    try:
        NoteKey(name="x", public_key=public).verify(message, signature)
    except LedgerError:
        return False
    return True


@pytest.mark.parametrize("public", ODD_POINTS, ids=bytes.hex)
@pytest.mark.parametrize("point", ODD_POINTS, ids=bytes.hex)
def test_odd_keys_and_signatures_are_judged_as_by_openssl(public, point):
    for scalar in (0, 1, ORDER - 1, ORDER, ORDER + 1, 2**256 - 1):
        signature = point + scalar.to_bytes(32, "little")
        for message in (b"", b"1", b"2", b"3"):
            expected = openssl(public, message, signature)
            assert signatures.is_signed(public, message, signature) == expected


def test_a_signature_has_one_form_and_one_length():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    scalar = int.from_bytes(signature[32:], "little")
    second = signature[:32] + (scalar + ORDER).to_bytes(32, "little")
    for wrong in (second, signature[:-1], signature + b"\0", b""):
        assert not signatures.is_signed(public, b"x", wrong)


def test_the_numbers_of_rfc_8032():
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert signatures.is_signed(public, b"\x72", signature)
    assert not signatures.is_signed(public, b"\x73", signature)


@pytest.mark.parametrize("text", ["", "x", "a+b+c", "a+00000000+AQ==", "a b+1+2", "+x+y"])
def test_both_refuse_the_same_keys(program, text):
    with pytest.raises(LedgerError):
        parse_vkey(text)
    with pytest.raises(program.Refused):
        program.read_key(text)


@given(st.integers(1, 200), st.data())
def test_proofs_lead_to_the_root_and_no_other_proof_does(program, log, size, data):
    leaves = [b"%d" % number for number in range(size)]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, hashes)
    root = merkle.root(hashes)
    assert program.proven_root(index, size, leaves[index], proof) == root
    for wrong in ([*proof, bytes(32)], proof[:-1]):
        if wrong != proof:
            with pytest.raises(program.Refused):
                program.proven_root(index, size, leaves[index], wrong)


@pytest.fixture
def folder(log, tmp_path):
    leaves = log.make_leaves(4)
    forged = [*leaves[:2], leaves[2].replace(b'"whatsapp"', b'"sms"'), leaves[3]]
    files = {
        "ledger.zip": log.make_bundle(leaves),
        "part.zip": log.make_part(leaves, ODD, [0, 1, 3]),
        "forged.zip": log.make_bundle(forged),
        "bad.zip": b"hello",
        "cut.zip": log.make_bundle(leaves)[:-1],
        "pack.json": b'{"v": "broadcaster/evidence/1"}',
        "key": log.signer.key.to_text().encode() + b"\n",
        "old": log.make_checkpoint(leaves[:3]).replace(b"\n", b"\r\n"),
        "verify.py": shipped.verifier(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("ledger.zip", 0, "Verified."),
        ("ledger.zip", 0, "came out of the bundle"),
        ("ledger.zip --vkey key --since old", 0, "Verified."),
        ("part.zip --vkey key", 0, "whether another came after it"),
        ("forged.zip --since old", 1, "the step 'extension' failed"),
        ("verify.py ledger.zip --vkey key", 0, "the one given"),
        ("verify.py forged.zip --since old", 1, "the step 'extension' failed"),
        ("verify.py cut.zip", 1, "the step 'bundle' failed"),
        ("verify.py bad.zip", 2, "no file of Broadcaster"),
        ("verify.py key", 2, "is a log's public key"),
        ("verify.py pack.json", 1, "the step 'pack' failed"),
        ("verify.py pack.json --since old", 2, "nothing about other people"),
        ("verify.py ledger.zip part.zip", 2, "one file at a time"),
        ("ledger.zip --vkey key pack.json", 1, "the step 'pack' failed"),
        ("ledger.zip bad.zip", 2, "no file of Broadcaster"),
        ("ledger.zip part.zip forged.zip", 2, "one file at a time"),
        ("verify.py missing.zip", 2, "missing.zip"),
        ("verify.py .", 2, "verify: "),
        ("verify.py ledger.zip --vkey missing", 2, "eight hex digits"),
        ("verify.py ledger.zip --since missing", 2, "missing"),
        ("verify.py", 2, "usage"),
    ],
)
def test_one_command_on_bare_python_verifies(folder, words, code, said):
    """Isolated and without site packages, on a terminal that knows only ASCII."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", "-X", "utf8=0", *words.split()],
        capture_output=True,
        check=False,
        cwd=folder,
        env={"LC_ALL": "C"},
        text=True,
    )
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert ("came out of the bundle" in done.stdout) == (code < 2 and "verify.py" not in words)


def test_the_report_as_json_names_the_failed_step(folder):
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "forged.zip", "--since", "old", "--json"],
        capture_output=True,
        check=False,
        cwd=folder,
    )
    report = json.loads(done.stdout)
    assert (report["ok"], report["failed"]) == (False, "extension")
    assert len(report["steps"][-1]["evidence"]) == 2


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_the_verifier_can_be_taken_out_with_any_zip_program(folder):
    command = ["unzip", "-o", "ledger.zip", "verify.py"]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)  # noqa: S603 - a fixed command
    assert (folder / "verify.py").read_bytes() == shipped.verifier()


def test_another_verifier_in_the_bundle_is_remarked_on_and_not_run(log):
    def change(files, _manifest):
        files["verify.py"] = b"print('Verified.')\n"

    data = log.rebuild(log.make_bundle(log.make_leaves(2)), change)
    report = verify_bundle(io.BytesIO(data))
    assert report.ok
    assert "verify.py inside is not the one of this version" in report.remarks[0]
    assert "Mind: the verify.py" in report.to_text()
