"""A phone texts one of our numbers: Twilio's own handling, the webhook, the TwiML answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadcaster.sandbox import addresses, optout, twiml
from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.clock import Clock
from broadcaster.sandbox.config import SandboxConfig
from broadcaster.sandbox.errors import ApiError, InvalidCommand
from broadcaster.sandbox.journal import Journal
from broadcaster.sandbox.message import API_VERSION, Direction, Message, Status, new_sid
from broadcaster.sandbox.optout import Handling
from broadcaster.sandbox.sending import Sending
from broadcaster.sandbox.store import Store
from broadcaster.sandbox.twiml import InvalidTwiML, Reply
from broadcaster.sandbox.webhooks import HTTP_RETRIEVAL_FAILURE, Answer, Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What a phone sends: from whom, to which of our numbers, and extra or replaced fields."""

    phone: str
    sender: str
    body: str
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Received:
    """What became of a text.

    Args:
        sid: its message sid.
        status: the HTTP status of the webhook's answer, or ``None`` when there was none.
        replies: the texts that the product sent back.
        dropped: the texts of the product that Twilio refused to send, with their codes.
        carrier_reply: what Twilio itself answered, if it did.
        code: Twilio's error code when the webhook or its TwiML failed.
    """

    sid: str
    status: int | None = None
    replies: list[str] = field(default_factory=list)
    dropped: list[dict[str, object]] = field(default_factory=list)
    carrier_reply: str | None = None
    code: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the outcome for the control interface."""
        return {
            "sid": self.sid,
            "status": self.status,
            "replies": self.replies,
            "dropped": self.dropped,
            "carrier_reply": self.carrier_reply,
            "error_code": self.code,
        }


class Inbound:
    """Takes texts from phones."""

    def __init__(
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        store: Store,
        journal: Journal,
        webhooks: Webhooks,
        sending: Sending,
    ) -> None:
        self._config = config
        self._senders = frozenset(config.senders)
        self._names = {phone.number: phone.name for phone in config.phones}
        self._clock = clock
        self._store = store
        self._journal = journal
        self._webhooks = webhooks
        self._sending = sending
        self.base = config.webhook_base

    async def receive(self, text: Text) -> Received:
        """Take a text, tell the product, and send back what it answers.

        Raises:
            InvalidCommand: the text goes to no number of ours, or between two channels.
        """
        self._check(text)
        message = self._keep(text)
        handling = optout.handle(self._store, sender=text.sender, phone=text.phone, body=text.body)
        if addresses.channel_of(text.sender) is Channel.WHATSAPP:
            self._store.open_window(text.sender, text.phone, message.created)
        received = Received(sid=message.sid)
        if handling is not None and handling.reply is not None:
            received.carrier_reply = handling.reply
            self._answer_as_carrier(text, handling.reply)
        answer = await self._tell_product(text, message, handling)
        received.status = answer.status
        replies = self._read(answer, received)
        message.webhook_done, message.webhook_error = True, received.code
        self._store.changed(message)
        self._note(text, message, answer, received)
        for reply in replies:
            self._send_back(text, reply, received)
        return received

    def _check(self, text: Text) -> None:
        if text.sender not in self._senders:
            message = "That is none of the account's senders; see /sandbox/state."
            raise InvalidCommand(message)
        if not addresses.is_valid(text.phone):
            message = "The phone needs an address: +<digits> or whatsapp:+<digits>."
            raise InvalidCommand(message)
        if addresses.channel_of(text.phone) is not addresses.channel_of(text.sender):
            message = "Phone and sender must be on the same channel: both SMS or both WhatsApp."
            raise InvalidCommand(message)

    def _keep(self, text: Text) -> Message:
        """Keep the text as a message; a sid given again is the same message again."""
        sid = text.extra.get("MessageSid") or new_sid()
        known = self._store.find(sid)
        if known is not None:
            return known
        now = self._clock.now()
        message = Message(
            sid=sid,
            sender=text.phone,
            to=text.sender,
            body=text.body,
            direction=Direction.INBOUND,
            status=Status.RECEIVED,
            created=now,
            updated=now,
            sent=now,
        )
        self._store.add(message)
        return message

    def _answer_as_carrier(self, text: Text, body: str) -> None:
        now = self._clock.now()
        self._store.add(
            Message(
                sid=new_sid(),
                sender=text.sender,
                to=text.phone,
                body=body,
                direction=Direction.SERVICE,
                status=Status.DELIVERED,
                created=now,
                updated=now,
                sent=now,
            )
        )
        self._journal.record(
            "carrier_reply",
            "delivered",
            time=now,
            answered_at=None,
            to=text.phone,
            body=body,
            **{"from": text.sender},
        )

    async def _tell_product(
        self, text: Text, message: Message, handling: Handling | None
    ) -> Answer:
        if self.base is None:
            now = self._clock.now()
            return Answer(status=None, failure="ct", tries=0, began=now, ended=now)
        url = f"{self.base.rstrip('/')}{self._config.inbound_path}"
        return await self._webhooks.inbound(url, self._fields(text, message, handling))

    def _fields(self, text: Text, message: Message, handling: Handling | None) -> Mapping[str, str]:
        """Return the form that Twilio posts for an inbound message."""
        fields = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "SmsMessageSid": message.sid,
            "AccountSid": self._config.account_sid,
            "From": text.phone,
            "To": text.sender,
            "Body": text.body,
            "NumMedia": "0",
            "NumSegments": str(message.num_segments),
            "SmsStatus": "received",
            "ApiVersion": API_VERSION,
        }
        if self._config.messaging_service_sid is not None:
            fields["MessagingServiceSid"] = self._config.messaging_service_sid
        number = addresses.number_of(text.phone)
        if addresses.channel_of(text.sender) is Channel.WHATSAPP:
            fields |= {
                "ProfileName": self._names.get(number, "Sandbox"),
                "WaId": number.removeprefix("+"),
                "MessageType": "text",
                "ReferralNumMedia": "0",
            }
        else:
            fields |= _places("From", number) | _places("To", text.sender)
        if handling is not None and self._config.advanced_opt_out:
            fields["OptOutType"] = handling.kind.value
        return fields | dict(text.extra)

    def _read(self, answer: Answer, received: Received) -> list[Reply]:
        if not answer.is_good:
            received.code = HTTP_RETRIEVAL_FAILURE
            return []
        try:
            return twiml.read(answer.body, answer.content_type)
        except InvalidTwiML as error:
            received.code = error.code
            return []

    def _send_back(self, text: Text, reply: Reply, received: Received) -> None:
        now = self._clock.now()
        sid, code = None, None
        try:
            sid = self._sending.reply(reply, sender=text.sender, phone=text.phone).sid
        except ApiError as error:
            code = error.code
            received.dropped.append({"code": code, "body": reply.body})
        else:
            received.replies.append(reply.body)
        self._journal.record(
            "reply",
            "accepted" if code is None else "refused",
            time=now,
            answered_at=None,
            sid=sid,
            to=text.phone,
            code=code,
            body=reply.body,
            in_answer_to=received.sid,
            **{"from": text.sender},
        )

    def _note(self, text: Text, message: Message, answer: Answer, received: Received) -> None:
        self._journal.record(
            "inbound",
            "answered" if received.code is None else "failed",
            time=answer.began,
            answered_at=answer.ended,
            sid=message.sid,
            to=text.sender,
            body=text.body,
            http_status=answer.status,
            code=received.code,
            tries=answer.tries,
            **{"from": text.phone},
        )


def _places(whose: str, number: str) -> dict[str, str]:
    """Return Twilio's guess at where a number is; outside North America only the country."""
    return {
        f"{whose}Country": addresses.country_of(number),
        f"{whose}State": "",
        f"{whose}City": "",
        f"{whose}Zip": "",
    }
