"""The record of processing: every entry names the one that was in force, and none is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broadcaster.ledger.entry import document_hash
from broadcaster.services import register
from broadcaster.storage import ledger
from tests.world import World, phone

# GDPR art. 30(1)(a)-(g), and what ISO/IEC TS 27560 must find in it.
ASKED_FOR = {
    *("controller", "contact", "representative", "dpo", "purpose", "data_subjects", "pii"),
    *("recipients", "transfers", "retention", "security"),
    *("storage", "jurisdiction", "withdrawal", "authority", "privacy_statement", "basis"),
}


def filed(world):
    with world.runtime.reading() as session:
        return register.history(session)


def under(world, **changes) -> World:
    """The same newsroom, after somebody changed its settings."""
    settings = world.runtime.settings
    organisation = replace(settings.organisation, **changes)
    runtime = replace(world.runtime, settings=replace(settings, organisation=organisation))
    return World(runtime, world.clock, world.provider, world.sids)


def test_before_the_first_entry_there_is_none(world):
    assert filed(world) == []


def test_an_entry_names_a_record_that_says_all_that_is_asked_for(world):
    world.text(phone(1), "NRC AAN")

    (one,) = filed(world)
    (entry,) = world.entries()
    assert one.sha256 == entry.config
    assert one.record.keys() >= ASKED_FOR
    assert one.in_force
    assert one.since == world.clock.now()
    with world.runtime.reading() as session:
        assert document_hash(ledger.document(session, one.sha256).text) == one.sha256


def test_changed_settings_add_a_record_and_keep_the_old_one(world):
    world.text(phone(1), "NRC AAN")
    later = under(world, dpo="fg@testkrant.example", retention="two years")
    organisation = later.runtime.settings.organisation
    assert register.is_outdated(organisation, filed(world))

    later.clock.advance(days=1)
    later.text(phone(2), "NRC AAN")

    new, old = filed(later)
    assert (new.in_force, old.in_force) == (True, False)
    assert (new.record["dpo"], old.record["dpo"]) == ("fg@testkrant.example", "")
    assert (new.since - old.since).days == 1
    assert not register.is_outdated(organisation, [new, old])
    assert [entry.config for entry in world.entries()] == [old.sha256, new.sha256]


def test_settings_that_are_put_back_put_the_old_record_in_force_again(world):
    world.text(phone(1), "NRC AAN")
    under(world, retention="two years").text(phone(2), "NRC AAN")
    world.text(phone(3), "NRC AAN")

    new, old = filed(world)
    assert (new.in_force, old.in_force) == (False, True)


@pytest.mark.parametrize("name", ["De | Krant", "<script>alert(1)</script>", "a\\|b"])
def test_the_record_for_people_is_a_table_that_no_name_breaks(world, name):
    under(world, name=name).text(phone(1), "NRC AAN")

    text = register.as_markdown(filed(world)[0])

    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) > 20
    assert all(line.replace("\\\\", "").replace("\\|", "").count("|") == 3 for line in table)
    assert "<script" not in text
    assert "| Data protection officer | none |" in text
    assert "Twilio<br>Meta (WhatsApp)" in text
