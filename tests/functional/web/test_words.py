"""What entries, messages and records call things, in words that people read."""

from __future__ import annotations

import json
import tomllib

import pytest

from broadcaster import resources
from broadcaster.core.delivery import SkipReason, State
from broadcaster.ledger import words
from broadcaster.services import admitting, erasing, recording, register
from broadcaster.settings import Organisation
from broadcaster.web import consent_words, delivery_words, register_words, rule_words

#: Groups of phrases that change whether somebody is on a list.
CHANGING = ("opt_in", "opt_out", "opt_out_all", "despite", "erasure", "start")
COMMANDS = (
    *("list-on", "list-off", "list-off-near", "list-all-off", "list-all-but", "start-word"),
    *("stop-word", "stop-sign", "stop-unknown-list", "stop-line", "stop-shouted", "stop-clause"),
    *("stop-and-access", "start-sentence", "provider-stop"),
)


@pytest.fixture
def dutch(site):
    """A reader of Dutch."""
    with site.app.test_request_context(headers={"Cookie": "language=nl"}):
        yield


def _changing_rules():
    files = (resources.directory("config") / "keywords").glob("*.toml")
    found = [tomllib.loads(file.read_text(encoding="utf-8"))["phrases"] for file in files]
    return {rule for phrases in found for group in CHANGING for rule in phrases.get(group, ())}


def test_every_rule_that_changes_consent_has_words(dutch):
    fallback = rule_words.rule("what-nobody-knows@1")
    for name in (*COMMANDS, *_changing_rules()):
        assert rule_words.rule(f"{name}@2026.13+938d068f") not in {fallback, name}, name
    for written in (admitting.RULE, erasing.RULE, "provider-error-21610"):
        assert rule_words.rule(written) != fallback


def test_a_rule_is_known_whatever_its_version(dutch):
    known = rule_words.rule("list-on")
    for written in ("list-on@2026.13+938d068f", "list-on/2026.1", "list-on/1"):
        assert rule_words.rule(written) == known
    for odd in ("@", "/", "", "@/"):
        assert rule_words.rule(odd) == rule_words.rule("what-nobody-knows@1")


@pytest.mark.parametrize(
    ("say", "names"),
    [
        (consent_words.event, words.Event),
        (consent_words.state, words.State),
        (consent_words.method, words.Method),
        (consent_words.document, words.DocumentKind),
        (consent_words.actor, ["subject", "provider", "system"]),
        (consent_words.purpose, [recording.PURPOSE]),
        (consent_words.basis, [recording.BASIS]),
        (consent_words.validity, [recording.VALIDITY]),
        (delivery_words.state, State),
        (lambda name: delivery_words.reason("skipped", name), SkipReason),
    ],
    ids=[
        *("event", "state", "method", "document", "actor", "purpose", "basis", "validity"),
        *("delivery", "reason"),
    ],
)
def test_nothing_that_is_written_down_is_shown_as_a_code(dutch, say, names):
    for name in names:
        assert say(str(name)) != str(name)
    assert say("what-nobody-knows") == "what-nobody-knows"


def test_why_nobody_knows_of_a_message_is_said_in_words(dutch):
    assert delivery_words.reason("held", "timeout") == "Twilio antwoordde niet op tijd"


def _shown(read):
    return [one.words for _title, said in (*read.first, *read.more) for one in said]


def test_all_that_we_put_into_a_record_is_said_in_dutch(dutch):
    own = {"De Krant", "a@b.example", "Twilio", "Meta (WhatsApp)", "Autoriteit Persoonsgegevens"}
    record = register.record(Organisation(name="De Krant", contact="a@b.example"))
    read = register_words.read(json.dumps(record))
    english = {text for value in record.values() for text in _texts(value)} - own
    assert english.isdisjoint(_shown(read))
    assert {"Nederland", "toestemming (AVG, artikel 6, lid 1, onder a)"} <= set(_shown(read))


def _texts(value):
    return value if isinstance(value, list) else [value]


def test_no_field_of_a_record_is_lost(dutch):
    record = register.record(Organisation(name="De Krant")) | {"unheard-of": {"a": [1, None]}}
    read = register_words.read(json.dumps(record))
    assert len(read.first) + len(read.more) + len(read.empty) == len(record)
    assert '{"a": [1, null]}' in _shown(read)


def test_what_an_organisation_wrote_itself_stays_as_it_is(dutch):
    read = register_words.read(json.dumps({"controller": "Lists", "storage": "100% here"}))
    assert _shown(read) == ["Lists", "100% here"]


@pytest.mark.parametrize("text", ["", "[]", "3", "hello", "{", "[" * 100_000])
def test_a_text_that_is_no_record_is_none(dutch, text):
    assert register_words.read(text) is None
