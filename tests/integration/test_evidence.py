"""The evidence of one person: complete, provable, masked where it must be, and never opened unseen."""

from __future__ import annotations

import copy
import io
import json
import random
from functools import cache
from types import ModuleType

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from broadcaster.core.errors import InvalidInput, NotFound
from broadcaster.ledger import shipped
from broadcaster.ledger.entry import evidence_commitment
from broadcaster.ledger.keys import parse_vkey
from broadcaster.ledger.pack import verify_pack
from broadcaster.services import opening
from broadcaster.services.opening import Form, Opener
from broadcaster.storage import openings
from broadcaster.storage.models import Delivery, Evidence, Opening, Subscriber
from tests.world import phone

WHY = "A complaint of 3 March, case 2026-14"
ADMIN = Opener(name="anna", is_full=True)
AUDITOR = Opener(name="oscar", is_full=False)
TEXTS = ("NRC AAN", "Stuur NRC AAN <b>&\u202e", "NRC UIT", "STOP")


@pytest.fixture
def told(world):
    """Somebody who joined, got two bulletins, and left; and somebody else."""
    world.text(phone(0), "NRC AAN")
    world.text(phone(1), "NRC AAN")
    for text in ("Goedemorgen <i>lezer</i>", "Tweede"):
        world.clock.advance(minutes=1)
        world.bulletin(text=text)
        world.send()
    world.clock.advance(minutes=1)
    world.callback(world.deliveries()[0].id, "delivered")
    world.text(phone(0), "NRC UIT")
    world.text(phone(0), "Wanneer komt de krant?")
    return world


def subject(world, number=0):
    seen = []
    for entry in world.entries():
        if entry.subject not in seen:
            seen.append(entry.subject)
    return seen[number]


def opened(world, wanted, opener=ADMIN, reason=WHY):
    return opening.open_pack(world.runtime, wanted, opener, reason=reason, form=Form.JSON)


@cache
def program():
    """The verifier as it comes out of a bundle."""
    module = ModuleType("verify")
    exec(compile(shipped.verifier(), "verify.py", "exec"), module.__dict__)  # noqa: S102 - ours
    return module


def both(data, vkey=None):
    """What our verifier finds; the one in bundles must find the same, step by step."""
    ours = verify_pack(data, vkey)
    given = None if vkey is None else program().read_key(vkey.to_text())
    theirs = program().PackVerification(io.BytesIO(data), given).run()
    assert [(step.name, step.ok) for step in ours.steps] == [step[:2] for step in theirs]
    return ours


def verified(world, pack):
    return both(pack.to_bytes(), world.runtime.signer.key)


def test_a_pack_holds_all_of_one_person_and_nothing_of_another(told):
    pack = opened(told, phone(0))
    value = pack.value

    assert verified(told, pack).ok
    assert value["address"] == phone(0)
    assert [json.loads(one["leaf"])["event"] for one in value["entries"]] == ["opt_in", "opt_out"]
    assert [one["private"]["body"] for one in value["entries"]] == ["NRC AAN", "NRC UIT"]
    assert [one["words"] for one in value["texts"]] == ["NRC AAN", "NRC UIT"]
    assert all(one["answers"] for one in value["texts"])
    assert [one["text"] for one in value["messages"]] == ["Goedemorgen <i>lezer</i>", "Tweede"]
    first = value["messages"][0]
    assert (first["entry"], first["fault"]) == (value["entries"][0]["index"], None)
    assert first["statuses"][0]["status"] == "delivered"
    assert value["lists"] == [
        {
            "list": "nrc",
            "state": "out",
            "entry": value["entries"][1]["index"],
            "since": json.loads(value["entries"][1]["leaf"])["recorded"],
        }
    ]
    notices = [json.loads(one["leaf"])["text"] for one in value["documents"]]
    assert any("Het nieuws van de ochtend." in text for text in notices)
    everything = pack.to_bytes().decode()
    assert phone(1)[-8:] not in everything
    assert subject(told, 1) not in everything
    # What has nothing to do with consent is in no evidence of it.
    assert "Wanneer komt de krant?" not in everything


def test_the_same_pack_is_found_by_token_and_by_number(told):
    by_token, by_number = opened(told, subject(told)).value, opened(told, f" {phone(0)} ").value
    assert by_token == by_number


def test_a_masked_pack_holds_no_number_no_words_and_no_key(told):
    pack = opened(told, subject(told), AUDITOR)
    everything = pack.to_bytes().decode()

    assert verified(told, pack).ok
    assert pack.value["key"] is None
    assert pack.value["address"] == "+155•••0000"
    assert phone(0)[-8:] not in everything
    assert [one["words"] for one in pack.value["texts"]] == [None, None]
    assert {one["private"] is None for one in pack.value["entries"]} == {True}
    assert "NRC UIT" not in json.dumps([pack.value["entries"], pack.value["messages"]])


def test_who_sees_no_numbers_cannot_ask_by_one(told):
    with pytest.raises(InvalidInput, match="token"):
        opened(told, phone(0), AUDITOR)
    assert of(told) == []


def test_the_evidence_of_one_message_is_about_that_message_and_its_list(told):
    told.text(phone(0), "SPORT AAN")
    sent = told.deliveries()[0]
    pack = opened(told, sent.sid)

    assert verified(told, pack).ok
    assert [one["delivery"] for one in pack.value["messages"]] == [sent.id]
    assert {json.loads(one["leaf"])["list"] for one in pack.value["entries"]} == {"nrc"}
    assert pack.value["complete"] is False


def of(world, **more):
    with world.runtime.reading() as session:
        return [
            (one.actor, one.subject, one.is_full, one.form, one.reason)
            for one in openings.newest(session, 20, **more)
        ]


def test_every_opening_is_recorded_before_anything_is_opened(told, monkeypatch):
    monkeypatch.setattr(opening, "gather", lambda *_args, **_more: pytest.fail("unseen"))
    with pytest.raises(pytest.fail.Exception):
        opened(told, subject(told), reason="  because\tof \x1b a\ncase  ")
    assert of(told) == [("anna", subject(told), True, "json", "because of a case")]


def test_openings_are_listed_the_newest_first(told):
    for number, opener in ((0, ADMIN), (1, AUDITOR), (0, AUDITOR)):
        opened(told, subject(told, number), opener)
    assert [one[:3] for one in of(told)] == [
        ("oscar", subject(told, 0), False),
        ("oscar", subject(told, 1), False),
        ("anna", subject(told, 0), True),
    ]
    assert len(of(told, subject=subject(told, 0))) == 2
    with told.runtime.reading() as session:
        newest = openings.newest(session, 1)[0]
        assert len(openings.newest(session, 20, before=newest.id)) == 2


@pytest.mark.parametrize("change", [sa.delete(Opening), sa.update(Opening).values(reason="")])
def test_what_was_opened_cannot_be_denied(told, change):
    opened(told, subject(told))
    with (
        pytest.raises(DBAPIError, match="cannot be changed"),
        told.runtime.transaction() as session,
    ):
        session.execute(change)
    verb = "REPLACE" if told.runtime.database.dialect.name == "sqlite" else "INSERT"
    columns = "id, opened, subject, actor, is_full, form, reason"
    again = f"{verb} INTO openings ({columns}) SELECT {columns} FROM openings"  # noqa: S608 - ours
    with pytest.raises(DBAPIError), told.runtime.transaction() as session:
        session.execute(sa.text(again))
    assert [one[4] for one in of(told)] == [WHY]


@pytest.mark.parametrize(
    "reason",
    ["", "    ", "why", "x" * 501, "ask +31 6 5555 0001", "call 0655550001", "n°(020) 555-01-23"],
)
def test_without_a_reason_or_with_a_number_in_it_nothing_is_opened(told, reason):
    with pytest.raises(InvalidInput):
        opened(told, subject(told), reason=reason)
    assert of(told) == []


@pytest.mark.parametrize("wanted", ["", "nobody", "0" * 31, "0655550001", "whatsapp:NL.", "SMx"])
def test_what_names_nobody_is_refused(told, wanted):
    with pytest.raises(InvalidInput) as caught:
        opened(told, wanted)
    assert "0655550001" not in str(caught.value)
    assert of(told) == []


@pytest.mark.parametrize("wanted", ["0" * 32, phone(99), "SM" + "0" * 31 + "f"])
def test_who_is_not_there_is_said_not_to_be_there(told, wanted):
    with pytest.raises(NotFound) as caught:
        opened(told, wanted)
    assert phone(99)[-8:] not in str(caught.value)
    assert of(told) == []


def test_of_an_erased_person_only_what_the_ledger_proves_is_left(told):
    wanted = subject(told)
    with told.runtime.transaction() as session:
        number = session.execute(
            sa.select(Subscriber.id).where(Subscriber.subject == wanted)
        ).scalar_one()
        session.execute(sa.delete(Evidence).where(Evidence.subscriber_id == number))
        session.execute(
            sa.update(Subscriber)
            .where(Subscriber.id == number)
            .values(key_wrapped=b"", address_sealed=b"", address_index=b"gone")
        )
    pack = opened(told, wanted)

    assert verified(told, pack).ok
    assert len(pack.value["entries"]) == 2
    assert (pack.value["key"], pack.value["address"], pack.value["texts"]) == (None, None, [])
    with pytest.raises(NotFound):
        opened(told, phone(0))


def test_words_that_try_to_be_something_else_are_kept_as_they_are(world):
    for text in TEXTS:
        world.text(phone(0), text)
    pack = opened(world, phone(0))
    assert verified(world, pack).ok
    words = [one["words"] for one in pack.value["texts"]]
    assert "NRC AAN" in words
    assert all(word in TEXTS for word in words)


def test_a_message_without_a_right_entry_says_so_in_the_pack(told):
    with told.runtime.transaction() as session:
        session.execute(sa.update(Delivery).values(entry=0))
    pack = opened(told, subject(told))
    assert "not of this person" in pack.value["messages"][0]["fault"]
    assert verified(told, pack).failed == "messages"


def _changed(value, change):
    changed = copy.deepcopy(value)
    change(changed)
    return changed


def nested(depth):
    return [nested(depth - 1)] if depth else None


CHANGES = {
    "pack": [
        lambda pack: pack.update(v="broadcaster/evidence/2"),
        lambda pack: pack.update(entries={}),
        lambda pack: pack.update(key="00"),
        lambda pack: pack.pop("complete"),
        lambda pack: pack.update(texts=[1]),
    ],
    "key": [lambda pack: pack.update(vkey="x+0+0")],
    "checkpoint": [
        lambda pack: pack.update(checkpoint=pack["checkpoint"].replace("\n", "\n1", 1)),
        lambda pack: pack.update(checkpoint="\ud800"),
    ],
    "entries": [
        lambda pack: pack["entries"].reverse(),
        lambda pack: pack["entries"].append(pack["entries"][0]),
        lambda pack: pack["entries"][0].update(index=0),
        lambda pack: pack["entries"][0].update(index=-1),
        lambda pack: pack["entries"][0].update(index=True),
        lambda pack: pack["entries"][0]["proof"].pop(),
        lambda pack: pack["entries"][0].update(proof=["!"]),
        lambda pack: pack["entries"][0].update(proof=["A" * 44] * 64),
        lambda pack: pack["entries"][0]["proof"].append(1),
        lambda pack: pack["entries"][0].update(private=[]),
        lambda pack: pack["entries"][0].update(leaf="\ud800"),
        lambda pack: pack["entries"][0].update(
            leaf=pack["entries"][0]["leaf"].replace("opt_in", "import")
        ),
        lambda pack: pack.update(entries=pack["documents"]),
        lambda pack: pack.update(subject="0" * 32),
    ],
    "history": [lambda pack: pack["entries"].pop(0)],
    "documents": [
        lambda pack: pack["documents"].pop(),
        lambda pack: pack.update(documents=pack["entries"]),
    ],
    "private parts": [
        lambda pack: pack.update(key=None),
        lambda pack: pack.update(key="0" * 64),
        lambda pack: pack["entries"][0]["private"].update(body="NRC AAN!"),
        lambda pack: pack["entries"][0]["private"].update(extra=1.5),
        lambda pack: pack["entries"][0]["private"].update(extra=2**53),
        lambda pack: pack["entries"][0]["private"].update(extra="\ud800"),
        lambda pack: pack["entries"][0]["private"].update(extra=nested(70)),
        lambda pack: pack["entries"][0].update(private=None),
        lambda pack: pack["texts"][0].update(words="nooit"),
        lambda pack: pack["texts"][0].update(sid=None),
    ],
    "messages": [
        lambda pack: pack["messages"][0].update(entry=pack["entries"][1]["index"]),
        lambda pack: pack["messages"][0].update(entry=0),
        lambda pack: pack["messages"][0].update(list="sport"),
        lambda pack: pack["messages"][0].update(handed="2026-01-01T00:00:00.000000Z"),
        lambda pack: pack["messages"][0].update(handed="yesterday"),
        lambda pack: pack["messages"][0].update(handed="2026-13-01T00:00:00.000000Z"),
        lambda pack: pack["messages"][0].update(handed=1),
        lambda pack: pack["messages"][0].update(entry=True),
    ],
}


@pytest.mark.parametrize(
    ("step", "change"),
    [
        pytest.param(step, change, id=f"{step} {number}")
        for step, changes in CHANGES.items()
        for number, change in enumerate(changes)
    ],
)
def test_whatever_is_changed_in_a_pack_is_found_and_the_step_is_named(sqlite_told, step, change):
    world, pack = sqlite_told
    changed = _changed(pack.value, change)
    report = both(json.dumps(changed).encode(), world.runtime.signer.key)
    assert report.failed == step, report.to_text()


@pytest.fixture
def sqlite_told(sqlite_world):
    world = sqlite_world
    world.text(phone(0), "NRC AAN")
    world.clock.advance(minutes=1)
    world.bulletin()
    world.send()
    world.text(phone(0), "NRC UIT")
    return world, opened(world, phone(0))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"v":1,"v":1}', b'{"v":"\xff"}'],
)
def test_what_is_no_pack_is_refused(data):
    assert both(data).failed == "pack"


def test_a_flipped_bit_anywhere_leads_both_to_the_same_step(sqlite_told):
    """What is only the maker's word, such as a status, is under no signature, so it may pass."""
    world, pack = sqlite_told
    data, chance = pack.to_bytes(), random.Random(2026)  # noqa: S311 - no secret
    found = set()
    for _ in range(300):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        found.add(both(bytes(changed), world.runtime.signer.key).failed)
    assert found >= {None, "pack", "entries", "documents"}


def test_what_people_wrote_may_have_any_letters_and_both_commit_to_it_alike():
    """Keys of JSON are put in order by UTF-16, which differs from the order of code points."""
    private = {"\U0001f600": 1, "\uffff": [True, None, {"é": "\u2028"}], "body": 'NRC "AAN"\n'}
    key = bytes(range(32))
    assert program().commitment(key, private) == evidence_commitment(key, private)


def test_a_pack_alone_shows_only_that_it_is_consistent(sqlite_told):
    world, pack = sqlite_told
    report = both(pack.to_bytes())
    assert report.ok
    assert "not who signed it" in report.to_text()
    other = parse_vkey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert both(pack.to_bytes(), other).failed == "key"
    del world
