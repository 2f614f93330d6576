"""Signed notes, keys and checkpoints: C2SP's own examples, and every way to get them wrong."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import merkle
from broadcaster.ledger.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from broadcaster.ledger.errors import (
    BadSignature,
    CheckpointError,
    LedgerError,
    MalformedKey,
    MalformedNote,
    UnknownSigner,
)
from broadcaster.ledger.keys import NoteKey, NoteSigner, parse_signer, parse_vkey
from broadcaster.ledger.note import MAX_NOTE_BYTES, MAX_SIGNATURES, open_note, sign_note


def signer(name: str, seed: int) -> NoteSigner:
    return NoteSigner(
        name=name, private_key=Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    )


ALICE, BOB = signer("alice.example", 1), signer("bob.example", 2)
NOTE = sign_note("Hello\n", [ALICE])


def test_the_published_notes_open_or_fail_by_their_signature(vectors):
    for vector in vectors["published_notes"]:
        key, data = parse_vkey(vector["vkey"]), vector["note"].encode()
        if vector["valid"]:
            note = open_note(data, [key])
            assert (note.text, note.signers) == (vector["signed_text"], (key,))
        else:
            with pytest.raises(BadSignature):
                open_note(data, [key])


def test_the_published_keys_are_read_and_written_back(vectors):
    for vector in vectors["published_vkeys"]:
        key = parse_vkey(vector["vkey"])
        assert (key.type, key.to_text()) == (vector["type"], vector["vkey"])


def test_the_derived_checkpoint_is_that_of_its_entries(vectors):
    case = vectors["derived_end_to_end"]
    checkpoint = open_checkpoint(case["checkpoint"].encode(), parse_vkey(case["log_vkey"]))
    assert checkpoint == Checkpoint(
        origin=case["origin"],
        size=20,
        root=merkle.root(merkle.leaf_hash(f"entry-{index}".encode()) for index in range(20)),
    )


def test_we_sign_the_derived_checkpoint_to_the_same_bytes(vectors):
    """The key is the first test seed of RFC 8032 section 7.1."""
    case = vectors["derived_end_to_end"]
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    log = NoteSigner(
        name=case["origin"],
        private_key=Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)),
    )
    assert log.key.to_text() == case["log_vkey"]
    checkpoint = open_checkpoint(case["checkpoint"].encode(), log.key)
    ours = sign_checkpoint(checkpoint, log).decode()
    assert case["checkpoint"].startswith(ours)


def test_a_cosignature_of_a_type_we_do_not_verify_is_refused_as_a_key(vectors):
    case = vectors["derived_end_to_end"]
    with pytest.raises(MalformedKey, match="type 4"):
        open_note(case["checkpoint"].encode(), [parse_vkey(case["witness_vkey"])])


def test_the_checkpoint_of_the_go_checksum_database_is_read(vectors):
    note = vectors["published_notes"][2]
    checkpoint = parse_checkpoint(note["signed_text"])
    assert (checkpoint.origin, checkpoint.size) == ("go.sum database tree", 6476701)
    assert checkpoint.to_text() == note["signed_text"]


TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])).map(lambda t: t + "\n")


@given(st.lists(TEXTS, min_size=1).map("".join))
def test_any_text_that_can_be_signed_comes_back(text):
    note = open_note(sign_note(text, [ALICE, BOB]), [BOB.key, ALICE.key])
    assert (note.text, note.signers) == (text, (ALICE.key, BOB.key))


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_note_is_caught(bit):
    for at in range(len(NOTE)):
        changed = NOTE[:at] + bytes([NOTE[at] ^ 1 << bit]) + NOTE[at + 1 :]
        with pytest.raises(LedgerError):
            open_note(changed, [ALICE.key])


def test_base64_has_one_spelling_only():
    """The last character has bits that most decoders drop: the signature is right, the note not."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    line = NOTE.decode()
    last = alphabet.index(line[-3])
    respelt = line[:-3] + alphabet[last ^ 1] + line[-2:]
    encoded = [text.split()[-1] for text in (line, respelt)]
    assert base64.b64decode(encoded[0]) == base64.b64decode(encoded[1])
    with pytest.raises(MalformedNote):
        open_note(respelt.encode(), [ALICE.key])


def test_unknown_signatures_are_ignored_as_long_as_one_is_known():
    note = open_note(sign_note("Hello\n", [BOB, ALICE]), [ALICE.key])
    assert note.signers == (ALICE.key,)
    with pytest.raises(UnknownSigner):
        open_note(NOTE, [BOB.key])
    with pytest.raises(UnknownSigner):
        open_note(NOTE, [])


def test_a_key_of_the_same_name_is_another_key():
    with pytest.raises(UnknownSigner):
        open_note(NOTE, [signer("alice.example", 3).key])


def test_a_wrong_signature_by_a_known_key_refuses_the_note_despite_a_right_one():
    forged = sign_note("Bye\n", [BOB]).splitlines(keepends=True)[-1]
    with pytest.raises(BadSignature, match="bob"):
        open_note(NOTE + forged, [ALICE.key, BOB.key])
    assert open_note(NOTE + forged, [ALICE.key]).text == "Hello\n"


def test_sixteen_signatures_and_more_are_accepted_but_not_without_end():
    many = [signer(f"s{index}", index) for index in range(MAX_SIGNATURES)]
    note = open_note(sign_note("Hello\n", many), [item.key for item in many])
    assert len(note.signers) == MAX_SIGNATURES
    with pytest.raises(MalformedNote):
        open_note(sign_note("Hello\n", [*many, ALICE]), [ALICE.key])


def test_a_text_with_blank_lines_ends_at_the_last_of_them():
    text = "a\n\n\u2014 not a signature\n\n"
    assert open_note(sign_note(text, [ALICE]), [ALICE.key]).text == text


SIGNATURE = NOTE.decode().splitlines()[-1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Hello\n",
        b"Hello\n\n",
        b"\n\n",
        f"Hello\n{SIGNATURE}\n".encode(),
        f"Hello\n\n{SIGNATURE}".encode(),
        f"Hello\n\n{SIGNATURE}\n\n".encode(),
        f"Hello\r\n\n{SIGNATURE}\n".encode(),
        f"He\x00llo\n\n{SIGNATURE}\n".encode(),
        f"Hello\n\n{SIGNATURE.replace(chr(0x2014), '-')}\n".encode(),
        f"Hello\n\n{SIGNATURE.replace(chr(0x2014), chr(0x2013))}\n".encode(),
        f"Hello\n\n{SIGNATURE.replace(' alice', '  alice')}\n".encode(),
        f"Hello\n\n{SIGNATURE}x\n".encode(),
        f"Hello\n\n{SIGNATURE} \n".encode(),
        f"Hello\n\n{SIGNATURE.rstrip('=')}\n".encode(),
        "Hello\n\n\u2014 alice.example AAAA\n".encode(),
        "Hello\n\n\u2014 alice.example AAAAAA==\n".encode(),
        "Hello\n\n\u2014 al+ice AAAAAAAA\n".encode(),
        "Hello\n\n\u2014  AAAAAAAA\n".encode(),
        f"Hello\n\nx\n{SIGNATURE}\n".encode(),
        b"\xff\n\n" + SIGNATURE.encode() + b"\n",
        b"x" * MAX_NOTE_BYTES + NOTE,
    ],
)
def test_bytes_that_are_no_note_are_refused(data):
    with pytest.raises(MalformedNote):
        open_note(data, [ALICE.key])


@pytest.mark.parametrize("text", ["", "Hello", "He\tllo\n", "He\x1bllo\n", "\r\n"])
def test_a_text_that_cannot_be_a_note_is_not_signed(text):
    with pytest.raises(MalformedNote):
        sign_note(text, [ALICE])


def test_a_note_by_nobody_is_not_written():
    with pytest.raises(MalformedNote):
        sign_note("Hello\n", [])


VKEY = ALICE.key.to_text()
PUBLIC = ALICE.key.public_key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice.example",
        VKEY + "\n",
        " " + VKEY,
        VKEY.upper(),
        VKEY[:-1],
        VKEY.replace("alice", "alise"),
        VKEY.replace("+", "++", 1),
        "alice.example+" + ALICE.key.key_id.hex() + "+",
        "+" + VKEY.partition("+")[2],
        "a b+" + VKEY.partition("+")[2],
        NoteKey(name="a", type=2, public_key=b"x").to_text().replace("a+", "b+"),
        "alice.example+00000000+" + base64.b64encode(b"\x01" + PUBLIC[:-1]).decode(),
    ],
)
def test_a_text_that_is_no_key_is_refused(text):
    with pytest.raises(MalformedKey):
        parse_vkey(text)


def test_every_flipped_bit_of_a_key_is_caught():
    for at in range(len(VKEY)):
        for bit in range(7):
            changed = VKEY[:at] + chr(ord(VKEY[at]) ^ 1 << bit) + VKEY[at + 1 :]
            with pytest.raises(MalformedKey):
                parse_vkey(changed)


def test_a_private_key_survives_its_file_and_keeps_its_secret():
    text = ALICE.to_text()
    assert text.startswith("PRIVATE+KEY+alice.example+")
    again = parse_signer(text)
    assert (again.key, again.to_text()) == (ALICE.key, text)
    seed = base64.b64encode(b"\x01" + b"\x01" * 32).decode()
    assert seed in text
    assert seed not in repr(again)
    assert "01" * 8 not in repr(again)


@pytest.mark.parametrize(
    "text", ["", VKEY, "PRIVATE+KEY+" + VKEY, ALICE.to_text()[:-4], ALICE.to_text() + "\n"]
)
def test_a_text_that_is_no_private_key_is_refused_without_repeating_it(text):
    with pytest.raises(MalformedKey) as caught:
        parse_signer(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b"])
def test_a_name_with_a_space_or_a_plus_cannot_sign(name):
    with pytest.raises(MalformedKey):
        signer(name, 1)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n",
        "log\n1\n",
        f"\n1\n{ROOT}\n",
        f"log\n01\n{ROOT}\n",
        f"log\n-1\n{ROOT}\n",
        f"log\n+1\n{ROOT}\n",
        f"log\n1.0\n{ROOT}\n",
        f"log\n\u0661\n{ROOT}\n",
        f"log\n{'9' * 20}\n{ROOT}\n",
        f"log\n1\n{ROOT}",
        f"log\n1\n{ROOT} \n",
        f"log\n1\n{ROOT[:-1]}\n",
        f"log\n1\n{base64.b64encode(bytes(31)).decode()}\n",
        f"log\n1\n{ROOT}\n\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(CheckpointError):
        parse_checkpoint(text)


def test_extension_lines_are_ignored():
    assert parse_checkpoint(f"log\n0\n{ROOT}\nmore\n").size == 0


@pytest.mark.parametrize(
    "fields", [{"origin": "a\nb"}, {"origin": ""}, {"size": -1}, {"root": b"short"}]
)
def test_an_impossible_checkpoint_cannot_be_made(fields):
    with pytest.raises(CheckpointError):
        Checkpoint(**({"origin": "log", "size": 1, "root": bytes(32)} | fields))


def test_a_log_signs_only_its_own_checkpoints_and_only_those_are_opened():
    checkpoint = Checkpoint(origin="bob.example", size=1, root=bytes(32))
    with pytest.raises(CheckpointError):
        sign_checkpoint(checkpoint, ALICE)
    with pytest.raises(CheckpointError):
        open_checkpoint(sign_note(checkpoint.to_text(), [ALICE]), ALICE.key)
