"""Whatever arrives at Twilio's door gets a clear answer, and writes only what it may.

The cases are the webhook rows of the list of bad inputs, by their numbers there.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import pytest
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from broadcaster.core.messages import Unknown
from broadcaster.services import audit, statuses
from broadcaster.services.audit import Format
from broadcaster.storage import lists
from broadcaster.storage.models import Delivery, Inbound, Incident, StatusEvent
from broadcaster.testing import AUTH_TOKEN
from tests.world import SMS, WHATSAPP, phone

PATH = "/webhooks/twilio/inbound"
ANNA, BILAL = phone(1), phone(2, whatsapp=False)

NOTHING = frozenset()
NOTED = frozenset({"incidents"})
# The first person of all says which keys the database goes with.
READ = frozenset({"inbound", "subscribers", "key_state"})
LEDGER = frozenset(
    {"ledger_entries", "ledger_head", "ledger_index", "ledger_facets", "evidence", "documents"}
)
LEFT = READ | LEDGER
JOINED = LEFT | {"subscriptions"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request: how it is answered, and which tables may change."""

    row: int
    what: str
    post: Callable
    status: int = 200
    says: str | None = None
    silent: bool = False
    changes: frozenset[str] = NOTHING
    before: tuple[str, ...] = ()

    def __str__(self):
        return f"{self.row}-{self.what.replace(' ', '-')}"


def _altered(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    signature = twilio.sign(pairs)
    changed = [(name, "NRC UIT" if name == "Body" else value) for name, value in pairs]
    return twilio.post(changed, signature=signature)


def _cut_anew(twilio):
    pairs = twilio.fields("STOP NEWS", ANNA)
    signature = twilio.sign(pairs)
    bent = [("BodySTOP", " NEWS") if name == "Body" else (name, value) for name, value in pairs]
    assert twilio.sign(bent) == signature
    return twilio.post(bent, signature=signature)


def _repeated(twilio):
    pairs = [*twilio.fields("NRC AAN", ANNA), ("Body", "STOP")]
    return twilio.post(pairs)


def _repeated_alike(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    return twilio.post([*pairs, ("Body", "NRC AAN")], signature=twilio.sign(pairs))


def _many_fields(twilio):
    extra = {f"Field{number}": "x" for number in range(101)}
    return twilio.text("NRC AAN", ANNA, **extra)


def _json(twilio):
    data = json.dumps(dict(twilio.fields("NRC AAN", ANNA))).encode()
    path = f"{PATH}?bodySHA256={sha256(data).hexdigest()}"
    return twilio.post(
        [], path, data=data, content_type="application/json", signature=twilio.sign([], path)
    )


def _multipart(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    return twilio.post(pairs, data=MultiDict(pairs), content_type="multipart/form-data; boundary=x")


def _other_host(twilio):
    return twilio.post(twilio.fields("NRC AAN", ANNA), base_url="https://evil.example")


def _signed_for_other_host(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    signature = twilio.sign(pairs, host="https://evil.example")
    return twilio.post(pairs, signature=signature, base_url="https://evil.example")


def _with_port(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    return twilio.post(pairs, signature=twilio.sign(pairs, host="https://news.example.org:443"))


def _raw_body(escaped):
    def post(twilio):
        pairs = twilio.fields("NRC AAN", ANNA)
        data = "&".join(
            f"{name}={escaped if name == 'Body' else value.replace('+', '%2B')}"
            for name, value in pairs
        )
        return twilio.post(pairs, data=data)

    return post


def _text(body=None, author=ANNA, **more):
    return lambda twilio: twilio.text(body, author, **more)


def _unsigned(**more):
    return lambda twilio: twilio.post(twilio.fields("NRC AAN", ANNA), signature="", **more)


def _other_token(twilio):
    pairs = twilio.fields("NRC AAN", ANNA)
    return twilio.post(pairs, signature=twilio.sign(pairs, token=AUTH_TOKEN + "x"))


def _bad_sid(sid):
    return Case(row=23, what=f"sid {sid!r}", post=_text("NRC AAN", MessageSid=sid), status=400)


def _bad_address(row, address, to=SMS):
    return Case(
        row=row,
        what=f"from {address!a}",
        post=_text("NRC AAN", address, To=to),
        silent=True,
        changes=NOTED,
    )


SID = "SM" + "0123456789abcdef" * 2
CASES = [
    Case(row=1, what="no signature", post=_unsigned(), status=403),
    Case(row=3, what="another token", post=_other_token, status=403),
    Case(row=5, what="another host", post=_other_host, status=403),
    Case(row=5, what="signed for another host", post=_signed_for_other_host, status=403),
    Case(row=6, what="altered body", post=_altered, status=403),
    Case(row=8, what="signed with port", post=_with_port, says="NRC Ochtend", changes=JOINED),
    Case(row=10, what="json with body hash", post=_json, status=415),
    Case(row=13, what="multipart", post=_multipart, status=415),
    Case(row=15, what="too many fields", post=_many_fields, status=400),
    Case(row=16, what="two bodies", post=_repeated, status=400),
    Case(row=16, what="the same body twice", post=_repeated_alike, status=400),
    Case(row=18, what="cut anew", post=_cut_anew, status=400),
    *map(_bad_sid, [None, "", "SM1", SID.upper(), f"{SID}\n", f"XX{SID[2:]}", f"{SID}0"]),
    *(_bad_address(25, address) for address in ["+1555", "15551234567", "+0155501000", "whatsapp"]),
    _bad_address(25, "+1555010000000000"),
    _bad_address(25, "whatsapp:+1555", WHATSAPP),
    _bad_address(26, "+1555010\u0660\u0660\u0660\u0661"),
    _bad_address(30, "BANK"),
    Case(
        row=25, what="no author", post=_text("NRC AAN", "", To=SMS), status=400
    ),
    Case(
        row=31, what="our own number", post=_text("NRC AAN", SMS), silent=True,
        changes=NOTED | {"inbound"},
    ),
    Case(
        row=31, what="our own number over whatsapp",
        post=_text("NRC AAN", f"whatsapp:{SMS}"), silent=True, changes=NOTED | {"inbound"},
    ),
    Case(
        row=33, what="only media", post=_text(None, NumMedia="1"), says="STOP", changes=READ
    ),
    *(
        Case(row=33, what=f"body {body!a}", post=_text(body), says="STOP", changes=READ)
        for body in ["", "   ", "\U0001f602\U0001f602"]
    ),
    Case(
        row=33, what="guided within the hour", post=_text("en nu dan?"), silent=True,
        changes=frozenset({"inbound"}), before=("mooi weer",),
    ),
    Case(
        row=38, what="unknown list", post=_text("KRANTJE AAN"), says="NRC AAN", changes=READ
    ),
    Case(
        row=40, what="stranger stops", post=_text("STOP"), says="afgemeld", changes=LEFT
    ),
    Case(
        row=41, what="stop is confirmed", post=_text("STOP"), says="afgemeld",
        changes=JOINED - {"documents", "key_state"}, before=("NRC AAN",),
    ),
    Case(row=43, what="zero byte", post=_text("NRC\x00 AAN"), status=400),
    Case(row=43, what="no utf-8", post=_raw_body("%FF"), status=400),
    Case(row=43, what="lone surrogate", post=_raw_body("%ED%A0%80"), status=400),
    Case(
        row=45, what="formula", post=_text("=cmd|' /C calc'!A0"), says="STOP", changes=READ
    ),
    Case(
        row=46, what="line break", post=_text('mooi\r\n{"event": "forged", "level": "info"}'),
        says="STOP", changes=READ,
    ),
    Case(
        row=50, what="bogus opt-out type", post=_text("NRC AAN", OptOutType="BOGUS"),
        says="NRC Ochtend", changes=JOINED,
    ),
    Case(
        row=51, what="unknown parameter", post=_text("NRC AAN", NewField="x"),
        says="NRC Ochtend", changes=JOINED,
    ),
    Case(row=0, what="100,000 characters", post=_text("a" * 100_000), status=413),
    Case(
        row=0, what="another account", post=_text("NRC AAN", AccountSid=f"AC{'1' * 32}"), status=400
    ),
    Case(
        row=0, what="a number that is not ours", post=_text("NRC AAN", To="whatsapp:+15550100199"),
        silent=True, changes=NOTED | {"inbound"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if not case.changes], ids=str)
def test_each_refused_input_gets_its_status_and_writes_nothing(
    sqlite_twilio, logged, read_answers, case
):
    _check(case, sqlite_twilio, logged, read_answers)


@pytest.mark.parametrize("case", [case for case in CASES if case.changes], ids=str)
def test_each_odd_input_gets_its_answer_and_writes_only_what_it_may(
    twilio, logged, read_answers, case
):
    _check(case, twilio, logged, read_answers)


def _check(case, twilio, logged, read_answers):
    for body in case.before:
        twilio.text(body, ANNA)
    before = twilio.rows()
    del twilio.sent[:]

    response = case.post(twilio)

    after = twilio.rows()
    assert response.status_code == case.status
    assert {name for name in after if after[name] != before[name]} == case.changes
    if case.status == 200:
        given = read_answers(response)
        assert len(given) == (0 if case.silent else 1)
        assert case.silent or case.says is None or case.says in given[0]
    _assert_private(logged.getvalue(), twilio.sent)


def _assert_private(log, sent):
    """No number, no word of a text, and no line that a text has forged."""
    for text in sent:
        assert len(text) < 4 or text.isspace() or text not in log
    assert "15550100" not in log
    assert not [line for line in log.splitlines() if line.startswith('{"event": "forged"')]


@pytest.mark.parametrize("method", ["get", "put", "head", "trace", "patch", "delete"])
@pytest.mark.parametrize("path", [PATH, "/webhooks/twilio/fallback", "/webhooks/twilio/status"])
def test_11_only_post_is_allowed(sqlite_twilio, method, path):
    response = sqlite_twilio.client.open(path, method=method, base_url="https://news.example.org")

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_20_an_exact_replay_a_year_later_has_no_effect_and_the_same_answer(twilio, world):
    pairs = twilio.fields("NRC AAN", ANNA)
    first = twilio.post(pairs)
    before = twilio.rows()
    world.clock.advance(days=365)

    again = twilio.post(pairs)

    assert (again.status_code, again.data) == (200, first.data)
    assert twilio.rows() == before


def test_28_the_same_number_on_another_channel_is_another_person(twilio, world):
    twilio.text("NRC AAN", "+15550100001")
    twilio.text("STOP", "whatsapp:+15550100001")

    assert world.events() == [("opt_in", "nrc"), ("opt_out_all", "*")]
    assert len({entry.subject for entry in world.entries()}) == 2


@pytest.mark.parametrize("body", ["S T O P", "stpo", "please no more", "unsubscribe me from news"])
def test_35_an_unclear_stop_stops_or_waits_for_a_person(twilio, world, read_answers, body):
    twilio.text("NRC AAN", ANNA)

    answered = read_answers(twilio.text(body, ANNA))

    stopped = ("opt_out_all", "*") in world.events()
    assert stopped or _reviews(world)
    assert len(answered) == 1


@pytest.mark.parametrize("body", ["dont stop", "stopping by at 5"])
def test_36_a_stop_word_in_another_sense_is_no_stop_but_is_read_by_a_person(twilio, world, body):
    twilio.text("NRC AAN", ANNA)
    twilio.text(body, ANNA)

    assert world.events() == [("opt_in", "nrc")]
    assert len(_reviews(world)) == 1


def test_38_a_closed_list_cannot_be_joined_and_the_open_ones_are_named(twilio, world, read_answers):
    with world.runtime.transaction() as session:
        lists.by_keyword(session, "SPORT").is_open = False

    (answer,) = read_answers(twilio.text("SPORT AAN", ANNA))

    assert "NRC AAN" in answer
    assert "SPORT AAN" not in answer
    assert world.events() == []


def test_45_a_formula_stays_out_of_the_ledger_and_out_of_its_csv(twilio, world):
    twilio.text("=cmd|' /C calc'!A0", ANNA)
    twilio.text("NRC AAN", ANNA)

    for form in Format:
        assert b"cmd|" not in b"".join(audit.export(world.runtime, form))


def test_48_nothing_that_a_text_links_to_is_fetched(sqlite_twilio):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        response = sqlite_twilio.text(
            "kijk", ANNA, NumMedia="10", MediaUrl0=url, MediaUrl1="http://169.254.169.254/"
        )

        assert response.status_code == 200
        with pytest.raises(BlockingIOError):
            server.accept()


def test_53_a_retry_after_a_crash_between_commit_and_answer_has_one_effect(twilio, world):
    pairs = twilio.fields("NRC AAN", ANNA)
    render, world.provider.render_answer = world.provider.render_answer, _crash
    lost = twilio.post(pairs)
    world.provider.render_answer = render

    retried = twilio.post(pairs)

    assert (lost.status_code, retried.status_code) == (500, 200)
    assert b"NRC Ochtend" in retried.data
    assert world.events() == [("opt_in", "nrc")]


def _crash(_text):
    message = "the process ends here"
    raise RuntimeError(message)


def test_the_secondary_token_counts_while_tokens_change(make_twilio):
    twilio = make_twilio(BROADCASTER_TWILIO__AUTH_TOKEN_SECONDARY="another-token-for-tests")
    pairs = twilio.fields("NRC AAN", ANNA)

    for token, status in (("another-token-for-tests", 200), ("a-third-token", 403)):
        assert twilio.post(pairs, signature=twilio.sign(pairs, token=token)).status_code == status


def test_a_query_in_the_url_is_part_of_what_is_signed(sqlite_twilio):
    pairs = sqlite_twilio.fields("NRC AAN", ANNA)

    assert sqlite_twilio.post(pairs, f"{PATH}?a=1&a=2").status_code == 200
    other = sqlite_twilio.sign(pairs, f"{PATH}?a=1")
    assert sqlite_twilio.post(pairs, f"{PATH}?a=2", signature=other).status_code == 403


def test_the_fallback_takes_over_without_a_second_effect(twilio, world):
    pairs = twilio.fields("NRC AAN", ANNA)
    first = twilio.post(pairs)

    second = twilio.post([*pairs, ("ErrorCode", "11200")], "/webhooks/twilio/fallback")
    third = twilio.post(twilio.fields("STOP", ANNA), "/webhooks/twilio/fallback")

    assert second.data == first.data
    assert b"afgemeld" in third.data
    assert world.events() == [("opt_in", "nrc"), ("opt_out_all", "*")]


@pytest.mark.parametrize(
    ("language", "words", "said"),
    [
        ("nl", "afmelden", "Je bent afgemeld"),
        ("en", "unsubscribe", "You have left everything"),
        ("de", "abbestellen", "abgemeldet"),
        ("fr", "se désabonner", "Vous ne recevez plus rien"),
        ("es", "darme de baja", "Te has dado de baja"),
    ],
)
def test_the_answer_is_in_the_language_of_the_text(twilio, read_answers, language, words, said):
    (answer,) = read_answers(twilio.text(words, ANNA))

    assert said in answer, language


@pytest.fixture
def token(world) -> str:
    """The token in the callback URL of a message that was handed over to Anna."""
    world.text(ANNA, "NRC AAN")
    world.bulletin()
    world.send()
    return world.provider.sent[0].status_callback.rpartition("/")[2]


def test_a_status_reaches_its_delivery_by_the_token(twilio, world, token):
    sid = _delivery(world).sid

    assert twilio.status(token, sid, "delivered").status_code == 200
    assert _delivery(world).state == "delivered"


@pytest.mark.parametrize("given", ["", "7", "7-0000", "0-x", "9999999999999999999999-ab", "x"])
def test_55_a_status_of_no_delivery_of_ours_is_counted_and_not_retried(twilio, world, token, given):
    assert twilio.status(given, f"SM{'c' * 32}", "delivered").status_code == 200

    assert _delivery(world).state == "accepted"
    assert _incidents(world) == {"unknown_delivery": 1}


def test_55_a_true_token_of_a_delivery_that_is_gone_is_counted(twilio, world):
    token = statuses.callback_token(world.runtime, 12345)

    assert twilio.status(token, f"SM{'c' * 32}", "delivered").status_code == 200
    assert _incidents(world) == {"unknown_delivery": 1}


def test_56_a_late_status_does_not_lower_the_state(twilio, world, token):
    sid = _delivery(world).sid
    for status in ("delivered", "sent", "queued"):
        assert twilio.status(token, sid, status).status_code == 200

    assert _delivery(world).state == "delivered"


def test_58_the_same_status_five_times_is_one_event(twilio, world, token):
    sid = _delivery(world).sid
    for _ in range(5):
        twilio.status(token, sid, "delivered")

    with world.runtime.reading() as session:
        assert len(session.execute(select(StatusEvent)).scalars().all()) == 1


def test_60_a_status_that_overtakes_the_answer_makes_the_delivery_accepted(twilio, world):
    world.text(ANNA, "NRC AAN")
    world.bulletin()
    seen = []

    def answer_late(message):
        token = message.status_callback.rpartition("/")[2]
        seen.append(twilio.status(token, f"SM{'d' * 32}", "sent").status_code)
        return Unknown(reason="timeout")

    world.provider.answer = answer_late
    world.send()

    delivery = _delivery(world)
    assert seen == [200]
    assert (delivery.state, delivery.sid) == ("sent", f"SM{'d' * 32}")


def test_61_a_second_sid_on_one_delivery_raises_the_alarm(twilio, world, token):
    before = _delivery(world)

    assert twilio.status(token, f"SM{'e' * 32}", "delivered").status_code == 200

    after = _delivery(world)
    assert (after.state, after.sid) == (before.state, before.sid)
    assert _incidents(world) == {"duplicate": 1}


def test_63_an_unsigned_status_with_a_true_token_changes_nothing(twilio, world, token):
    before = twilio.rows()
    pairs = [("MessageSid", _delivery(world).sid), ("MessageStatus", "delivered")]

    response = twilio.post(pairs, f"/webhooks/twilio/status/{token}", signature="")

    assert response.status_code == 403
    assert twilio.rows() == before


@pytest.mark.parametrize(
    "bent",
    [
        {"MessageStatus": None},
        {"MessageSid": "SM1"},
        {"AccountSid": "AC1"},
        {"ErrorCode": "x"},
        {"ErrorCode": "9999999"},
    ],
    ids=str,
)
def test_a_malformed_status_is_refused_and_changes_nothing(twilio, world, token, bent):
    fields = {"MessageSid": _delivery(world).sid, "MessageStatus": "sent"}
    named = dict(twilio.fields()) | fields | bent
    before = twilio.rows()

    pairs = [(name, value) for name, value in named.items() if value is not None]

    assert twilio.post(pairs, f"/webhooks/twilio/status/{token}").status_code == 400
    assert twilio.rows() == before


def test_what_stands_in_a_path_does_not_stand_in_the_log(sqlite_twilio, logged):
    path = "/webhooks/twilio/status/7%0A%7B%22event%22%3A%20%22forged%22%7D%2B15550100001"

    assert sqlite_twilio.post([], path, signature="x").status_code == 403

    assert "webhook_not_authentic" in logged.getvalue()
    _assert_private(logged.getvalue(), ["forged"])


def test_a_message_with_line_breaks_is_one_line_of_the_log(logged):
    logging.getLogger("a.module").warning('odd\r\n{"event": "forged"}\x1b[2J\u2028+15550100001')

    lines = logged.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b[2J" not in logged.getvalue()
    _assert_private(logged.getvalue(), [])


def _reviews(world) -> list[str]:
    with world.runtime.reading() as session:
        return list(
            session.execute(select(Inbound.review).where(Inbound.review.is_not(None))).scalars()
        )


def _incidents(world) -> dict[str, int]:
    with world.runtime.reading() as session:
        return {row.kind: row.count for row in session.execute(select(Incident)).scalars()}


def _delivery(world) -> Delivery:
    with world.runtime.reading() as session:
        return session.execute(select(Delivery)).scalar_one()
