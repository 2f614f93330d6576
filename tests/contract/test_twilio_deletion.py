"""What the provider promises about deleting a message, against a stub and the sandbox."""

from __future__ import annotations

import asyncio

import pytest

from broadcaster.core.messages import Deletion
from tests.contract.twilio_stub import (
    ACCOUNT,
    SID,
    answering,
    cut,
    message,
    play,
    provider_at,
    reset,
    sandbox,
    serving,
    speak_no_http,
)


def refusing(status, code):
    return answering(status, {"code": code, "message": "The number +15550100001 …"})


ANSWERS = {
    "deleted": (answering(204, ""), Deletion.GONE),
    "there is no such message": (refusing(404, 20404), Deletion.GONE),
    "on its way": (refusing(409, 20009), Deletion.TOO_EARLY),
    "somebody else's 404": (answering(404, "<html>"), Deletion.UNDECIDED),
    "a 404 without a code": (answering(404, {"message": "x"}), Deletion.UNDECIDED),
    "wrong secret": (refusing(401, 20003), Deletion.UNDECIDED),
    "too busy": (refusing(429, 20429), Deletion.UNDECIDED),
    "failure": (refusing(500, 20500), Deletion.UNDECIDED),
    "redirect": (answering(307, "", Location="/"), Deletion.UNDECIDED),
    "cut before": (reset, Deletion.UNDECIDED),
    "cut after": (cut, Deletion.UNDECIDED),
    "no HTTP": (speak_no_http, Deletion.UNDECIDED),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_only_twilios_own_word_says_that_a_message_is_gone(case):
    answer, expected = ANSWERS[case]

    async def story():
        async with serving(answer) as stub, provider_at(stub.url).connect() as connection:
            found = await connection.delete(SID)
            return found, [(one.method, one.path) for one, _form in stub.seen]

    found, seen = play(story)
    assert found is expected
    # A line that was cut may be tried once more: to delete twice does no harm.
    assert set(seen) == {("DELETE", f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json")}


def test_what_is_no_id_of_twilio_is_never_asked_for():
    async def story():
        async with serving(answering(204, "")) as stub:
            async with provider_at(stub.url).connect() as connection:
                found = [await connection.delete(one) for one in ("XX" + "0" * 32, "../x", "")]
            return found, stub.seen

    assert play(story) == ([Deletion.GONE] * 3, [])


def test_the_sandbox_deletes_what_has_ended_and_writes_it_down():
    server = sandbox()
    with server:

        async def send_and_delete(*sids):
            async with provider_at(server.url).connect() as connection:
                sent = await connection.send(message(), begin_within=60)
                await asyncio.to_thread(server.settle)
                return [await connection.delete(sid) for sid in (sent.sid, sent.sid, *sids)]

        outcomes = asyncio.run(send_and_delete(SID))
        noted = [
            (one["outcome"], one["http_status"])
            for one in server.journal()
            if one["kind"] == "delete"
        ]

    assert outcomes == [Deletion.GONE] * 3
    assert noted == [("accepted", 204), ("refused", 404), ("refused", 404)]


def test_the_sandbox_deletes_nothing_that_is_on_its_way():
    server = sandbox(slow=True)
    with server:

        async def send_and_delete():
            async with provider_at(server.url).connect() as connection:
                sent = await connection.send(message(), begin_within=60)
                return await connection.delete(sent.sid)

        assert asyncio.run(send_and_delete()) is Deletion.TOO_EARLY
