"""People whom the provider itself stops: on SMS until START, on WhatsApp until they write again."""

from __future__ import annotations

import pytest

from broadcaster.core.messages import ProviderStatus, Refused, StatusUpdate
from broadcaster.services import statuses
from broadcaster.storage import audience, incidents
from broadcaster.storage import lists as stored_lists
from tests.world import phone

ANNA = phone(1)
BILAL = phone(2, whatsapp=False)


def reachable(world) -> int:
    with world.runtime.reading() as session:
        item = stored_lists.by_keyword(session, "NRC")
        counted = audience.reachable(session, item.id)
    return sum(people for (_channel, blocked), people in counted.items() if not blocked)


@pytest.mark.parametrize("code", [63014, 63033, 131050])
def test_who_blocked_us_on_whatsapp_left_and_may_come_back(world, code):
    """Whoever blocked us cannot write to us; so whoever writes is heard, and answered."""
    world.text(ANNA, "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=code)
    world.bulletin()
    world.send()
    assert world.events()[-1] == ("provider_stop", "*")
    assert reachable(world) == 0

    assert "ontvangt nu" in world.text(ANNA, "NRC AAN")
    assert reachable(world) == 1


def test_a_refusal_and_its_opt_out_are_written_together(world, monkeypatch):
    """A crash between the two would lose the opt-out: no callback follows a refused request."""
    world.text(BILAL, "NRC AAN")
    world.provider.answer = lambda _message: Refused(code=21610)
    number = world.bulletin()

    def crash(*_args):
        raise MemoryError

    monkeypatch.setattr(statuses, "record", crash)
    with pytest.raises(MemoryError):
        world.send()
    assert world.report(number).failed == {}
    monkeypatch.undo()

    world.clock.advance(minutes=5)
    world.send()
    assert world.report(number).waiting == 0


def test_a_late_report_of_a_stop_does_not_end_a_newer_consent(world):
    world.text(BILAL, "NRC AAN")
    world.bulletin()
    world.send()
    world.clock.advance(minutes=1)
    for words in ("STOP", "START", "NRC AAN"):
        world.text(BILAL, words)
    before = world.events()

    token = world.provider.sent[0].status_callback.rpartition("/")[2]
    sid = f"SM{1:032x}"
    update = StatusUpdate(sid=sid, status=ProviderStatus.FAILED, error_code=21610)
    with world.runtime.transaction() as session:
        statuses.apply(session, world.runtime, token, update)

    assert world.events() == before
    assert reachable(world) == 1
    with world.runtime.reading() as session:
        assert [one.kind for one in incidents.recent(session, 5)] == ["late_provider_stop"]


def test_a_true_block_is_kept_though_the_person_joined_another_list(world):
    """Only START ends the provider's block; an unrelated opt-in after the claim does not."""
    world.text(BILAL, "NRC AAN")
    world.bulletin()
    world.send()
    world.clock.advance(seconds=5)
    world.text(BILAL, "SPORT AAN")

    token = world.provider.sent[0].status_callback.rpartition("/")[2]
    update = StatusUpdate(sid=f"SM{1:032x}", status=ProviderStatus.FAILED, error_code=21610)
    with world.runtime.transaction() as session:
        statuses.apply(session, world.runtime, token, update)

    assert reachable(world) == 0
