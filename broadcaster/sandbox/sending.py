"""Accepting a message to send: whose number, which channel, who has stopped."""

from __future__ import annotations

from broadcaster.sandbox import addresses
from broadcaster.sandbox.addresses import Channel
from broadcaster.sandbox.clock import Clock
from broadcaster.sandbox.config import SandboxConfig
from broadcaster.sandbox.errors import ApiError
from broadcaster.sandbox.lifecycle import Lifecycle
from broadcaster.sandbox.message import Direction, Message, Status, new_sid
from broadcaster.sandbox.parameters import MAX_BODY, Order
from broadcaster.sandbox.store import Store
from broadcaster.sandbox.twiml import Reply

UNSUBSCRIBED = 21610


class Sending:
    """Takes orders from the REST interface and replies from TwiML."""

    def __init__(
        self, config: SandboxConfig, *, clock: Clock, store: Store, lifecycle: Lifecycle
    ) -> None:
        self._config = config
        self._senders = frozenset(config.senders)
        self._clock = clock
        self._store = store
        self._lifecycle = lifecycle

    def accept(self, order: Order) -> Message:
        """Accept an order and set the message on its way.

        Raises:
            ApiError: Twilio would refuse it. A message to somebody who has stopped is refused and
                still kept as a failed one, which Twilio's list shows.
        """
        if not addresses.is_valid(order.to):
            text = f"Invalid 'To' Phone Number: {_masked(order.to)}"
            raise ApiError(21211, text)
        sender = self._sender(order)
        if sender == order.to:
            raise ApiError(21266, "'To' and 'From' number cannot be the same")
        message = self._message(order, sender)
        if self._is_stopped(message):
            message.status, message.error_code = Status.FAILED, UNSUBSCRIBED
            self._store.add(message)
            raise ApiError(UNSUBSCRIBED, "Attempt to send to unsubscribed recipient")
        self._store.add(message)
        self._lifecycle.launch(message)
        return message

    def reply(self, reply: Reply, *, sender: str, phone: str) -> Message:
        """Accept a message that TwiML asks for.

        Raises:
            ApiError: it is empty, too long, or the phone has stopped the sender.
        """
        if not reply.body.strip():
            raise ApiError(21602, "Message body is required.")
        if len(reply.body) > MAX_BODY:
            text = "The concatenated message body exceeds the 1600 character limit"
            raise ApiError(21617, text)
        now = self._clock.now()
        message = Message(
            sid=new_sid(),
            sender=sender,
            to=phone,
            body=reply.body,
            direction=Direction.REPLY,
            status=Status.QUEUED,
            created=now,
            updated=now,
            status_callback=reply.status_callback,
        )
        if self._is_stopped(message):
            raise ApiError(UNSUBSCRIBED, "Attempt to send to unsubscribed recipient")
        self._store.add(message)
        self._lifecycle.launch(message)
        return message

    def _is_stopped(self, message: Message) -> bool:
        return self._store.is_stopped(message.sender, message.to)

    def _message(self, order: Order, sender: str) -> Message:
        now = self._clock.now()
        return Message(
            sid=new_sid(),
            sender=sender,
            to=order.to,
            body=order.body,
            direction=Direction.API,
            status=Status.ACCEPTED if order.service_sid else Status.QUEUED,
            created=now,
            updated=now,
            num_media=order.num_media,
            service_sid=order.service_sid,
            status_callback=order.status_callback,
            validity_period=order.validity_period,
            is_template=order.is_template,
        )

    def _sender(self, order: Order) -> str:
        """Return the account's own address to send from."""
        channel = addresses.channel_of(order.to)
        service = order.service_sid
        if service is not None and service != self._config.messaging_service_sid:
            raise ApiError(21701, "The Messaging Service does not exist")
        if order.sender is None:
            return self._pooled(channel)
        if order.sender not in self._senders:
            raise _unknown_sender(order.sender)
        if addresses.channel_of(order.sender) is not channel:
            text = "Invalid From and To pair. From and To should be of the same channel"
            raise ApiError(21910, text)
        return order.sender

    def _pooled(self, channel: Channel) -> str:
        for sender in self._config.senders:
            if addresses.channel_of(sender) is channel:
                return sender
        text = "The Messaging Service does not have a phone number available to send a message"
        raise ApiError(21703, text)


def _unknown_sender(sender: str) -> ApiError:
    if addresses.channel_of(sender) is Channel.WHATSAPP:
        return ApiError(63007, "Twilio could not find a Channel with the specified From address")
    if not addresses.is_valid(sender):
        return ApiError(21212, f"Invalid 'From' Phone Number: {_masked(sender)}")
    text = f"'From' {_masked(sender)} is not a Twilio phone number or Short Code country mismatch"
    return ApiError(21659, text)


def _masked(address: str) -> str:
    """Return an address as Twilio's error texts show it, without its last four characters."""
    return f"{address[:-4]}XXXX"[:60]
