"""Who is not reached by bulletins in a row is put before a person; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from broadcaster.core.messages import Accepted, Refused
from broadcaster.core.remedy import Remedy
from broadcaster.storage.models import Incident, Subscriber
from tests.integration.test_statuses import report
from tests.world import phone

OFF = 30003


@pytest.fixture
def reader(world):
    world.text(phone(1), "NRC AAN")
    world.given = iter(f"SM{number:032x}" for number in range(100))
    world.provider.answer = lambda _message: Accepted(sid=next(world.given))
    return world


def sent(world, number):
    """Send another bulletin; return its sid."""
    world.bulletin(text=f"Bulletin {number}")
    world.send()
    return f"SM{number:032x}"


def not_reached(world, number):
    report(world, "undelivered", sid=sent(world, number), error=OFF, token=_token(world))


def _token(world):
    return world.provider.sent[-1].status_callback.rpartition("/")[2]


def in_a_row(world) -> int:
    with world.runtime.reading() as session:
        return session.execute(select(Subscriber.unreached)).scalar_one()


def on_the_desk(world) -> list[tuple[str, int]]:
    with world.runtime.reading() as session:
        rows = session.execute(select(Incident).where(Incident.kind == "unreached")).scalars()
        return [(one.reference, one.count) for one in rows]


def test_five_in_a_row_are_put_before_a_person(reader):
    for number in range(4):
        not_reached(reader, number)
    assert on_the_desk(reader) == []

    not_reached(reader, 4)

    with reader.runtime.reading() as session:
        subject = session.execute(select(Subscriber.subject)).scalar_one()
    assert on_the_desk(reader) == [(f"person {subject}", 1)]


@pytest.mark.parametrize("code", [OFF, 30036])
def test_one_bulletin_counts_once_however_often_it_is_reported(reader, code):
    sid = sent(reader, 0)
    for status in ("undelivered", "failed", "undelivered", "sent"):
        report(
            reader,
            status,
            sid=sid,
            error=code if status != "sent" else None,
            token=_token(reader),
        )

    assert in_a_row(reader) == 1


def test_what_arrives_ends_the_row(reader):
    not_reached(reader, 0)
    report(reader, "delivered", sid=sent(reader, 1), token=_token(reader))

    assert in_a_row(reader) == 0


def test_a_word_of_theirs_ends_the_row(reader):
    not_reached(reader, 0)
    reader.text(phone(1), "Bedankt!")

    assert in_a_row(reader) == 0


def test_other_failures_do_not_count(reader):
    report(reader, "undelivered", sid=sent(reader, 0), error=30008, token=_token(reader))

    assert in_a_row(reader) == 0


def test_a_refusal_at_once_counts_as_well(world):
    world.text(phone(1), "NRC AAN")
    assert world.provider.remedy(OFF) is Remedy.UNREACHABLE
    world.provider.answer = lambda _message: Refused(code=OFF)
    world.bulletin()
    world.send()

    assert in_a_row(world) == 1
