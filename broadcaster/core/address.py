"""Where a person or a sender can be reached: a channel and a number or WhatsApp user id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from broadcaster.core.errors import InvalidAddress

# ASCII digits only: str.isdigit and \d also accept other scripts, which no network routes.
# Seven digits is the shortest number that ITU-T E.164 countries give to subscribers.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# A business-scoped user id, in webhooks since April 2026: country, dot, up to 128 characters.
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_WHATSAPP = "whatsapp:"


class Channel(StrEnum):
    """How a message travels."""

    WHATSAPP = "whatsapp"
    SMS = "sms"


@dataclass(frozen=True, slots=True)
class Address:
    """A person or a sender on one channel; it masks itself wherever it is printed.

    Args:
        channel: how messages travel.
        value: an E.164 number, or on WhatsApp a business-scoped user id.
    """

    channel: Channel
    value: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read Twilio's form: ``+31…`` for SMS, ``whatsapp:+31…`` or ``whatsapp:NL.…``.

        Raises:
            InvalidAddress: the text is neither. The text itself is not repeated.
        """
        if text.startswith(_WHATSAPP):
            value = text.removeprefix(_WHATSAPP)
            if _E164.fullmatch(value) or _BSUID.fullmatch(value):
                return cls(Channel.WHATSAPP, value)
        elif _E164.fullmatch(text):
            return cls(Channel.SMS, text)
        message = "That is no phone number in international form, such as +31612345678."
        raise InvalidAddress(message)

    @property
    def wire(self) -> str:
        """The address as Twilio writes it."""
        prefix = _WHATSAPP if self.channel is Channel.WHATSAPP else ""
        return prefix + self.value

    @property
    def masked(self) -> str:
        """The address with its middle hidden, fit for a page or a log: ``+316•••0001``."""
        visible = 4
        return f"{self.value[:visible]}•••{self.value[-visible:]}"

    def __repr__(self) -> str:
        return f"Address({self.channel.value}, {self.masked})"

    __str__ = __repr__
