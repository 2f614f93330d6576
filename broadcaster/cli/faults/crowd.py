"""The people of a round: they text through the provider, and remember nothing; the journal does."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus

from broadcaster.cli.faults.plan import JOIN, Saying
from broadcaster.cli.faults.program import ProgramError
from broadcaster.sandbox.faults import FaultPlan

_PATIENCE = 60
_AT_ONCE = 32
# Two of three are on WhatsApp, where no carrier refuses for us what we should not have sent.
_ON_SMS = 3


def address(person: int) -> str:
    """Return a person's address: a number from the range kept for fiction."""
    number = f"+1555010{person:04d}"
    return number if person % _ON_SMS == 0 else f"whatsapp:{number}"


class Line:
    """The provider's own door: texting, and what it does wrong.

    Args:
        url: where the sandbox is; only that is ever asked.
        senders: our own numbers, by whether they are on WhatsApp.
    """

    def __init__(self, url: str, senders: Mapping[bool, str]) -> None:
        self._url = url
        self._senders = senders
        # Nothing of the environment: a proxy would see what stays on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def text(self, person: int, body: str) -> bool:
        """Let a person text; tell whether the product answered."""
        phone = address(person)
        sender = self._senders[phone.startswith("whatsapp:")]
        said = self._post("/sandbox/inbound", {"from": phone, "to": sender, "body": body})
        return said["status"] == HTTPStatus.OK

    def set_faults(self, plan: FaultPlan) -> None:
        """Let the provider do these things wrong from now on."""
        self._post("/sandbox/faults", plan.to_json())

    def _post(self, path: str, document: Mapping[str, object]) -> dict[str, object]:
        request = urllib.request.Request(  # noqa: S310 - our own sandbox
            f"{self._url}{path}",
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=_PATIENCE) as answer:
            said: dict[str, object] = json.load(answer)
            return said


class Crowd:
    """Texts what a round says, when it says so.

    Args:
        line: the door to the provider.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="crowd")

    def join(self, people: int) -> None:
        """Let everybody join, and again until all were answered.

        Raises:
            ProgramError: the product does not answer.
        """
        waiting: Sequence[int] = range(people)
        until = time.monotonic() + _PATIENCE
        while waiting:
            if time.monotonic() > until:
                message = "The product does not answer those who join; see serve.log."
                raise ProgramError(message)
            answered = self._pool.map(lambda person: self._line.text(person, JOIN), waiting)
            waiting = [person for person, done in zip(waiting, answered, strict=True) if not done]

    def begin(self, sayings: Sequence[Saying], start: float) -> list[Future[bool]]:
        """Let people text at their moments, without waiting for them.

        Args:
            sayings: who texts what when.
            start: the moment of the first bulletin, on the monotonic clock.
        """
        return [self._pool.submit(self._say, saying, start) for saying in sayings]

    def close(self) -> None:
        """Let nobody text any more."""
        self._pool.shutdown(cancel_futures=True)

    def _say(self, saying: Saying, start: float) -> bool:
        time.sleep(max(start + saying.at - time.monotonic(), 0.0))
        return self._line.text(saying.person, saying.body)
