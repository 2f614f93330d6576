"""Import with proof, on both databases: who joins, who never does, and what is left behind."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import Conflict, InvalidInput, NotFound
from broadcaster.core.importing import MOST_WORDINGS
from broadcaster.core.sealing import open_address, open_text
from broadcaster.ledger import canonical
from broadcaster.ledger.__main__ import main
from broadcaster.ledger.entry import Event, evidence_commitment
from broadcaster.services import audit, checking, importing, preparing, replaying
from broadcaster.storage import imports, ledger, people, suppressions
from broadcaster.storage.models import (
    Evidence,
    Import,
    ImportRefusal,
    LedgerEntry,
    Subscriber,
    Subscription,
)
from tests.integration.importing import WORDING, Importer, number, row
from tests.world import SMS, World, make_runtime, phone, populate


@pytest.fixture
def importer(world, tmp_path):
    return Importer(world, tmp_path)


@pytest.fixture
def small_batches(monkeypatch):
    """Let a few rows be many."""
    monkeypatch.setattr(preparing, "BATCH", 3)


def texter(one):
    """The address of somebody in a file, as they text."""
    return phone(one, whatsapp=False)


def count(world, model):
    with world.runtime.reading() as session:
        return session.execute(sa.select(sa.func.count()).select_from(model)).scalar_one()


def refusals(world, import_id=1):
    with world.runtime.reading() as session:
        return list(imports.refusals(session, import_id))


def check_everything(world):
    """The tables are what the ledger says, and the ledger is what was written."""
    assert list(replaying.check(world.runtime)) == []
    assert list(checking.check(world.runtime)) == []


def test_a_row_with_proof_joins_by_an_entry_of_its_own(world, importer):
    done = importer.run([row(1)])

    (entry,) = world.entries()
    assert (done.accepted, done.already, done.refused) == (1, 0, 0)
    assert (entry.event, entry.state, entry.list, entry.channel, entry.method) == (
        *("import", "given", "nrc"),
        *("sms", "import"),
    )
    assert (entry.actor, entry.reason, entry.prev) == (
        "operator",
        "moved from another system",
        None,
    )
    assert entry.occurred == datetime(2026, 3, 3, 13, tzinfo=UTC)
    assert entry.recorded == world.clock.now()
    with world.runtime.reading() as session:
        assert ledger.document(session, entry.notice.sha256).text == WORDING
        subscription = session.execute(sa.select(Subscription)).scalar_one()
    assert (subscription.state, subscription.notice) == ("in", entry.notice.sha256)
    check_everything(world)


def test_the_evidence_opens_under_the_persons_key_and_the_entry_commits_to_it(world, importer):
    path = importer.file([row(7)])
    importer.run(path)

    (entry,) = world.entries()
    with world.runtime.reading() as session:
        subscriber = session.execute(sa.select(Subscriber)).scalar_one()
        sealed = session.execute(sa.select(Evidence.sealed)).scalar_one()
    key = world.runtime.keyring.unwrap(subscriber.key_wrapped)
    private = canonical.parse(open_text(key, sealed).encode())
    assert open_address(key, "sms", subscriber.address_sealed).value == number(7)
    assert private["line"] == 2
    assert private["source"] == "https://www.example.org/form#7"
    assert private["wording"] == entry.notice.sha256
    assert evidence_commitment(key, private) == entry.evidence
    assert number(7).encode() not in b"".join(importer_bytes(world))


def importer_bytes(world):
    """All that is stored of people, as bytes."""
    with world.runtime.reading() as session:
        for model in (LedgerEntry, Subscriber, Evidence, Import):
            for found in session.execute(sa.select(model.__table__)):
                yield repr(tuple(found)).encode()


def test_everybodys_newest_entry_is_known_however_many_come(world, importer):
    for one in (5, 60, 61, 140):
        world.text(texter(one), "HELP")

    importer.run([row(one) for one in range(200)])
    importer.run([row(one) for one in range(100, 400)])

    check_everything(world)
    newest = (
        "SELECT max(idx) FROM ledger_entries WHERE ledger_entries.subject = subscribers.subject"
    )
    with world.runtime.reading() as session:
        wrong = session.execute(
            sa.text(
                "SELECT count(*) FROM subscribers WHERE last_entry <>"  # noqa: S608 - our own
                f" ({newest})"
            )
        ).scalar_one()
        known = session.execute(
            sa.text("SELECT count(*) FROM subscribers WHERE last_entry IS NOT NULL")
        ).scalar_one()
    assert wrong == 0
    assert known > 390  # but for two numbers of our own


def test_who_was_imported_is_answered_and_gets_bulletins_as_everybody_does(world, importer):
    importer.run([row(1), row(2)])

    assert "NRC" in world.text(texter(2), "NRC UIT")
    world.bulletin()
    world.send()

    assert world.recipients()[-1] == number(1)
    assert number(2) not in world.recipients()[-1:]
    assert world.events()[-1] == ("opt_out", "nrc")
    check_everything(world)


LEAVING = {
    "left this list": (["NRC AAN", "NRC UIT"], "left"),
    "stopped everything": (["NRC AAN", "STOP"], "stopped"),
    "stopped before they ever joined": (["STOP"], "stopped"),
}


@pytest.mark.parametrize("case", LEAVING)
@pytest.mark.parametrize("whatsapp", [False, True], ids=["here", "on the other channel"])
@pytest.mark.parametrize("when", ["2026-03-03T14:00:00Z", "2026-11-24T06:30:00Z"])
def test_an_import_never_undoes_an_opt_out(world, importer, case, whatsapp, when):
    texts, reason = LEAVING[case]
    for text in texts:
        world.text(phone(1, whatsapp=whatsapp), text)
    world.clock.advance(hours=1)
    before = world.events()

    done = importer.run([row(1, when=when), row(2)])

    assert (done.accepted, dict(done.reasons)) == (1, {reason: 1})
    assert world.events() == [*before, ("import", "nrc")]
    check_everything(world)


def test_who_left_and_joined_again_by_themselves_is_on_the_list_already(world, importer):
    for text in ("NRC AAN", "STOP", "NRC AAN"):
        world.text(texter(1), text)

    done = importer.run([row(1)])

    assert (done.accepted, done.already, done.refused) == (0, 1, 0)


def test_somebody_known_joins_with_the_key_they_have(world, importer):
    world.text(texter(1), "SPORT AAN")
    importer.run([row(1)])

    first, second = world.entries()
    assert second.subject == first.subject
    with world.runtime.reading() as session:
        assert (
            session.execute(sa.select(LedgerEntry.idx).where(LedgerEntry.subject == first.subject))
            .scalars()
            .all()[0]
            == second.prev
        )
        subscriber = session.execute(sa.select(Subscriber)).scalar_one()
        sealed = session.get(Evidence, subscriber.last_entry).sealed
    key = world.runtime.keyring.unwrap(subscriber.key_wrapped)
    assert number(1) in open_text(key, sealed)
    check_everything(world)


def test_who_the_provider_blocks_does_not_join(world, importer):
    world.text(texter(1), "SPORT AAN")
    with world.runtime.transaction() as session:
        subscriber = session.execute(sa.select(Subscriber)).scalar_one()
        sender = session.execute(sa.text("SELECT id FROM senders WHERE channel = 'sms'"))
        people.set_blocked(
            session, subscriber.id, sender.scalar_one(), blocked=True, now=world.clock.now()
        )

    assert dict(importer.run([row(1)]).reasons) == {"blocked": 1}


@pytest.mark.parametrize("channel", list(Channel))
def test_who_was_erased_does_not_come_back_on_any_channel(world, importer, channel):
    erased = Address(channel, number(1))
    with world.runtime.transaction() as session:
        for _ in range(2):
            suppressions.suppress(
                session, world.runtime.keyring, erased, suppressions.ERASED, world.clock.now()
            )
        assert suppressions.is_suppressed(session, world.runtime.keyring, erased)

    done = importer.run([row(1), row(2)])

    assert (done.accepted, dict(done.reasons)) == (1, {"erased": 1})


def test_our_own_numbers_and_repeated_ones_do_not_join(world, importer, small_batches):
    rows = [row(1), row(1), row(0, number=SMS), row(2), row(3), row(1, when="2026-01-01T00:00Z")]
    done = importer.run(rows)

    assert (done.accepted, dict(done.reasons)) == (3, {"duplicate": 2, "own": 1})
    assert refusals(world) == [(3, "duplicate"), (4, "own"), (7, "duplicate")]


def test_too_many_wordings_are_somebodys_own_words(world, importer, small_batches):
    rows = [row(one, wording=f"{WORDING} ({one})") for one in range(MOST_WORDINGS + 2)]
    done = importer.run(rows)

    assert (done.accepted, dict(done.reasons)) == (MOST_WORDINGS, {"wordings": 2})
    assert len(done.wordings) == MOST_WORDINGS
    check_everything(world)


def test_a_wording_may_be_named_by_its_hash_if_the_ledger_knows_it(world, importer):
    world.text(texter(9), "NRC AAN")
    (entry,) = world.entries()
    rows = [
        row(1, wording=f"sha256:{entry.notice.sha256}"),
        row(2, wording=f"sha256:{entry.config}"),
        row(3, wording=f"sha256:{'0' * 64}"),
    ]

    done = importer.run(rows)

    assert (done.accepted, dict(done.reasons)) == (1, {"wording_unknown": 2})
    assert world.entries()[-1].notice.sha256 == entry.notice.sha256


def test_a_bundle_with_imports_verifies(world, importer, tmp_path):
    importer.run([row(one, wording=f"{WORDING} {one % 2}") for one in range(5)])
    path = tmp_path / "ledger.zip"
    path.write_bytes(b"".join(audit.export(world.runtime, audit.Format.BUNDLE)))

    vkey = world.runtime.signer.key.to_text()
    assert main(["verify", str(path), "--vkey", vkey]) == 0


def test_a_finished_file_is_not_imported_again(world, importer):
    path = importer.file([row(1), row(2, when="")])
    importer.run(path)
    before = count(world, LedgerEntry)

    with pytest.raises(Conflict, match="1 joined, 0 were on the list, 1 were refused"):
        importer.run(path)

    assert count(world, LedgerEntry) == before


def test_the_reason_is_public_so_it_names_nobody(importer):
    path = importer.file([row(1)])
    for reason in ("", " ", "x" * 501, "asked by jan@example.org", "for +31 6 12345678", "a\nb"):
        with pytest.raises(InvalidInput):
            importer.order(path, reason=reason)
    importer.order(path, reason="Moved on 30.11.2026 at 14.00, contract 2026-1234")


def test_an_unknown_list_or_a_channel_it_has_not_is_refused(world, importer):
    path = importer.file([row(1)])
    with pytest.raises(InvalidInput, match="--channel sms or whatsapp"):
        importer.order(path, channel=None)
    with world.runtime.reading() as session, pytest.raises(NotFound):
        importing.prepare(
            session, keyword="XYZ", channel=None, reason="x", actor="operator", sha256="0" * 64
        )


class CutError(Exception):
    """The machine stops."""


class CutAfter:
    """Stops everything after so many batches."""

    def __init__(self, batches):
        self.left = batches

    def __call__(self, _rows):
        self.left -= 1
        if not self.left:
            raise CutError


def test_an_import_that_was_cut_goes_on_where_it_stopped(world, importer, small_batches):
    rows = [row(one, **({"when": ""} if one % 4 == 1 else {})) for one in range(20)]
    path = importer.file([*rows, row(0), row(0), row(0)])

    for batches in (1, 2, 1):
        with pytest.raises(CutError):
            importer.run(path, tell=CutAfter(batches))
    with pytest.raises(InvalidInput, match="moved from another system"):
        importer.run(path, reason="something else")
    done = importer.run(path)

    assert done.went_on is not None
    assert (done.accepted, dict(done.reasons)) == (15, {"moment_missing": 5, "duplicate": 3})
    assert [line for line, _reason in refusals(world)] == [3, 7, 11, 15, 19, 22, 23, 24]
    assert count(world, Subscription) == 15
    check_everything(world)


def test_how_far_it_is_counts_all_rows_also_those_of_a_run_that_was_cut(importer, small_batches):
    rows = [row(one, **({"when": ""} if one % 4 == 1 else {})) for one in range(20)]
    path = importer.file([*rows, row(0)])
    before, after = [], []
    with pytest.raises(CutError):
        importer.run(path, tell=both(before.append, CutAfter(3)))
    importer.run(path, tell=after.append)
    assert before == sorted(before)
    assert after == sorted(after)
    assert (before[-1] < after[0], after[-1]) == (True, 21)


def both(first, second):
    return lambda done: (first(done), second(done))


def test_an_import_that_an_earlier_version_began_goes_on_under_the_name_it_began_with(
    world, importer, small_batches
):
    """What was called cli until then is in the ledger for ever, and one import has one actor."""
    path = importer.file([row(one) for one in range(12)])
    with pytest.raises(CutError):
        importer.run(path, tell=CutAfter(2), actor="cli")
    assert importer.run(path).accepted == 12
    assert {one.actor for one in world.entries() if one.event is Event.IMPORT} == {"cli"}
    check_everything(world)


def test_two_processes_do_not_import_the_same_rows(world, importer, small_batches):
    path = importer.file([row(one) for one in range(12)])

    came = []

    def meanwhile(done):
        if done and not came:
            came.append(done)
            importer.run(path)

    with pytest.raises(Conflict, match="Another process"):
        importer.run(path, tell=meanwhile)

    assert count(world, Subscription) == 12
    check_everything(world)


def test_a_long_file_is_prepared_by_another_process(world, importer, monkeypatch):
    monkeypatch.setattr(preparing, "_LONG", 0)
    rows = [row(one, **({"when": ""} if one == 5 else {})) for one in range(50)]

    done = importer.run(rows)

    assert (done.accepted, done.refused) == (49, 1)
    assert refusals(world) == [(7, "moment_missing")]
    check_everything(world)


ROWS = st.builds(
    row,
    st.integers(0, 6),
    when=st.sampled_from(["2026-03-03T14:00:00Z", "", "2030-01-01T00:00:00Z"]),
    wording=st.sampled_from([WORDING, WORDING + "!", "ok", f"sha256:{'0' * 64}"]),
)


@settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rows=st.lists(ROWS, max_size=15),
    texts=st.lists(st.sampled_from(["NRC AAN", "NRC UIT", "STOP", "SPORT AAN"]), max_size=4),
)
def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    world, importer, small_batches, rows, texts
):
    for who, text in enumerate(texts):
        world.clock.advance(seconds=1)
        world.text(texter(who), text)
    world.clock.advance(seconds=1)
    rows = [row(9, source=str(world.clock.now())), *rows]
    before = [count(world, model) for model in (LedgerEntry, Subscriber, Import, ImportRefusal)]

    said, would_refuse = importer.rehearse(rows)
    assert before == [
        count(world, model) for model in (LedgerEntry, Subscriber, Import, ImportRefusal)
    ]
    done = importer.run(rows)

    assert (said.accepted, said.already, said.refused) == (
        done.accepted,
        done.already,
        done.refused,
    )
    assert (said.reasons, said.wordings) == (done.reasons, done.wordings)
    assert would_refuse == refusals(world, done.number)
    check_everything(world)


def test_texts_are_answered_while_an_import_runs(world, importer, monkeypatch):
    monkeypatch.setattr(preparing, "BATCH", 10)
    path = importer.file([row(one) for one in range(300)])
    failed = []

    def work():
        try:
            importer.run(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails for it
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    stopped = 0
    while thread.is_alive() or not stopped:
        assert world.runtime.run(lambda _session: None) is None
        world.text(texter(stopped % 300), "STOP")
        stopped += 1
    thread.join()

    assert failed == []
    with world.runtime.reading() as session:
        stopped_people = (
            session.execute(sa.select(Subscriber.id).where(Subscriber.stopped_at.is_not(None)))
            .scalars()
            .all()
        )
        on = (
            session.execute(sa.select(Subscription.subscriber_id).where(Subscription.state == "in"))
            .scalars()
            .all()
        )
    assert set(stopped_people).isdisjoint(on)
    check_everything(world)


def test_who_becomes_known_at_this_very_moment_is_looked_at_again(postgresql_world, tmp_path):
    world, importer = postgresql_world, Importer(postgresql_world, tmp_path)
    # The very first person of a database lets all others wait.
    world.text(texter(9), "Hallo")
    came = []

    def somebody_texts(_connection, _cursor, statement, *_more):
        if statement.startswith("INSERT INTO subscribers (") and not came and "%s" in statement:
            came.append(True)
            world.text(texter(1), "STOP")

    sa.event.listen(world.runtime.writer, "before_cursor_execute", somebody_texts)
    done = importer.run([row(1), row(2)])
    sa.event.remove(world.runtime.writer, "before_cursor_execute", somebody_texts)

    assert came
    assert (done.accepted, dict(done.reasons)) == (1, {"stopped": 1})
    check_everything(world)


@pytest.fixture
def postgresql_world(postgresql_url, tmp_path, clock, provider):
    with contextmanager(make_runtime)(postgresql_url, tmp_path / "home", clock, provider) as made:
        populate(made)
        yield World(made, clock, provider)
