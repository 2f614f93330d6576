"""A message's way from queued to read, and the status callback at each step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from broadcaster.sandbox import addresses
from broadcaster.sandbox.activity import Activity
from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.clock import Clock
from broadcaster.sandbox.config import Condition, SandboxConfig
from broadcaster.sandbox.errors import DELIVERY_ERRORS
from broadcaster.sandbox.faults import Draw, Fault, Faults
from broadcaster.sandbox.journal import Journal
from broadcaster.sandbox.message import API_VERSION, ARRIVED, Direction, Message, Status
from broadcaster.sandbox.store import Store
from broadcaster.sandbox.webhooks import Webhooks

OUTSIDE_WINDOW = 63016
_SMS_FAILURES = {
    Condition.OFF: 30003,
    Condition.UNKNOWN: 30005,
    Condition.LANDLINE: 30006,
    Condition.FILTERED: 30007,
}
# A WhatsApp message to a phone that is off just waits: it is sent, and nothing more is heard.
_WHATSAPP_FAILURES = {
    Condition.UNKNOWN: 63003,
    Condition.LANDLINE: 63024,
    Condition.FILTERED: 63024,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    after: float
    status: Status
    error_code: int | None = None


class Lifecycle:
    """Moves messages along with timers of the event loop."""

    def __init__(
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        store: Store,
        journal: Journal,
        faults: Faults,
        webhooks: Webhooks,
        activity: Activity,
    ) -> None:
        self._config = config
        self._clock = clock
        self._store = store
        self._journal = journal
        self._faults = faults
        self._webhooks = webhooks
        self._activity = activity
        self._conditions = {phone.number: phone.condition for phone in config.phones}
        self._waiting: dict[str, asyncio.Event] = {}

    def launch(self, message: Message) -> None:
        """Set an accepted message on its way."""
        self._activity.begin()
        self._schedule(message, self._steps(message), 0.0)

    def mark_read(self, number: str) -> int:
        """Let a phone's owner read what WhatsApp delivered; return how many were new."""
        unread = [
            message
            for message in self._store.thread(number)
            if message.channel is Channel.WHATSAPP
            and message.status is Status.DELIVERED
            and message.direction is not Direction.INBOUND
        ]
        for message in unread:
            self._move(message, _Step(after=0.0, status=Status.READ))
        return len(unread)

    def _condition(self, number: str) -> Condition:
        known = self._conditions.get(number)
        if known is not None:
            return known
        endings = self._config.special_endings.items()
        return next((c for ending, c in endings if number.endswith(ending)), Condition.ON)

    def _steps(self, message: Message) -> Sequence[_Step]:
        """Decide at acceptance what will become of a message."""
        timing = self._config.timing
        sending = [_Step(after=timing.sending or 0.0, status=Status.SENDING)]
        start = [
            *(sending if timing.sending is not None else []),
            _Step(after=timing.sent, status=Status.SENT),
        ]
        is_sms = message.channel is Channel.SMS
        if not is_sms and not self._may_write(message):
            return [_failure(timing.failed, OUTSIDE_WINDOW)]
        condition = self._condition(addresses.number_of(message.to))
        code = (_SMS_FAILURES if is_sms else _WHATSAPP_FAILURES).get(condition)
        if code is not None:
            return [*start, _failure(max(timing.failed, timing.sent), code)]
        if condition is not Condition.ON:
            return start
        arrival = [*start, _Step(after=timing.delivered, status=Status.DELIVERED)]
        if is_sms or timing.read is None:
            return arrival
        return [*arrival, _Step(after=timing.read, status=Status.READ)]

    def _may_write(self, message: Message) -> bool:
        return message.is_template or self._store.window_is_open(
            message.sender, message.to, message.created
        )

    def _schedule(self, message: Message, steps: Sequence[_Step], elapsed: float) -> None:
        if not steps:
            self._activity.end()
            return
        delay = max(steps[0].after - elapsed, 0.0)
        asyncio.get_running_loop().call_later(delay, self._take, message, steps)

    def _take(self, message: Message, steps: Sequence[_Step]) -> None:
        """Take the next step, unless the phone's owner was faster and has read it already."""
        step, *rest = steps
        if not (message.status is Status.READ and step.status in ARRIVED):
            self._move(message, step)
        self._schedule(message, rest, step.after)

    def _move(self, message: Message, step: _Step) -> None:
        now = self._clock.now()
        message.status = step.status
        message.error_code = step.error_code
        message.updated = now
        if step.status is Status.SENT:
            message.sent = now
        self._store.changed(message)
        if message.status_callback is None:
            return
        drawn = self._faults.draw("callback")
        if drawn.fault is Fault.DROP_CALLBACK:
            self._note(message, step.status, time=now, outcome="dropped", fault=drawn.fault)
            return
        for _ in range(2 if drawn.fault is Fault.REPEAT_CALLBACK else 1):
            self._activity.start(self._call_back(message, step, drawn))

    async def _call_back(self, message: Message, step: _Step, drawn: Draw) -> None:
        url = message.status_callback or ""
        fields = status_fields(message, step.status, step.error_code, self._config.account_sid)
        await asyncio.sleep(drawn.delay)
        if drawn.fault is Fault.REORDER_CALLBACK:
            await self._be_overtaken(message, drawn.seconds)
        answer = await self._webhooks.callback(url, fields)
        if drawn.fault is not Fault.REORDER_CALLBACK:
            self._overtake(message)
        self._note(
            message,
            step.status,
            time=answer.began,
            answered_at=answer.ended,
            outcome="answered" if answer.is_good else "failed",
            fault=drawn.fault,
            http_status=answer.status,
            code=answer.code,
            tries=answer.tries,
        )

    async def _be_overtaken(self, message: Message, seconds: float) -> None:
        """Hold a callback back until a later one of its message was answered, or for so long."""
        overtaken = self._waiting.setdefault(message.sid, asyncio.Event())
        with suppress(TimeoutError):
            await asyncio.wait_for(overtaken.wait(), seconds)
        self._waiting.pop(message.sid, None)

    def _overtake(self, message: Message) -> None:
        overtaken = self._waiting.pop(message.sid, None)
        if overtaken is not None:
            overtaken.set()

    def _note(
        self,
        message: Message,
        status: Status,
        *,
        time: datetime,
        outcome: str,
        answered_at: datetime | None = None,
        **fields: object,
    ) -> None:
        self._journal.record(
            "status_callback",
            outcome,
            time=time,
            answered_at=answered_at,
            sid=message.sid,
            to=message.to,
            status=status.value,
            error_code=message.error_code,
            url=message.status_callback,
            **{"from": message.sender},
            **fields,
        )


def _failure(after: float, code: int) -> _Step:
    return _Step(after=after, status=Status.UNDELIVERED, error_code=code)


def status_fields(
    message: Message, status: Status, error_code: int | None, account_sid: str
) -> Mapping[str, str]:
    """Return the form that Twilio posts to a message's StatusCallback."""
    fields = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "AccountSid": account_sid,
        "From": message.sender,
        "To": message.to,
        "MessageStatus": status.value,
        "SmsStatus": status.value,
        "ApiVersion": API_VERSION,
    }
    if message.service_sid is not None:
        fields["MessagingServiceSid"] = message.service_sid
    if error_code is not None:
        fields["ErrorCode"] = str(error_code)
        fields["ErrorMessage"] = DELIVERY_ERRORS.get(error_code, "Unknown error")
    if message.channel is Channel.WHATSAPP:
        fields |= {
            "ChannelPrefix": "whatsapp",
            "ChannelToAddress": addresses.number_of(message.to),
            "ChannelInstallSid": f"XE{account_sid[2:]}",
            "StructuredMessage": "false",
        }
        if status in ARRIVED:
            fields["EventType"] = status.value.upper()
    elif status is Status.DELIVERED:
        fields["RawDlrDoneDate"] = f"{message.updated:%y%m%d%H%M}"
    return fields
