"""Addresses as Twilio writes them: ``+31…`` is SMS, ``whatsapp:+31…`` is WhatsApp."""

from __future__ import annotations

import re
from enum import StrEnum

_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_WHATSAPP_USER = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}", re.ASCII)
_PREFIX = "whatsapp:"

# Twilio adds FromCountry to inbound SMS. The longest prefix wins.
_COUNTRIES = {
    "+1": "US",
    "+31": "NL",
    "+32": "BE",
    "+33": "FR",
    "+34": "ES",
    "+44": "GB",
    "+49": "DE",
    "+352": "LU",
    "+353": "IE",
}


class Channel(StrEnum):
    """The way a message travels."""

    SMS = "sms"
    WHATSAPP = "whatsapp"


def channel_of(address: str) -> Channel:
    """Return the channel an address belongs to."""
    return Channel.WHATSAPP if address.startswith(_PREFIX) else Channel.SMS


def number_of(address: str) -> str:
    """Return the address without its channel prefix."""
    return address.removeprefix(_PREFIX)


def is_number(text: str) -> bool:
    """Say whether this is a telephone number in E.164 form."""
    return _E164.fullmatch(text) is not None


def is_valid(address: str) -> bool:
    """Say whether a message can be addressed to this: E.164, or a WhatsApp user id."""
    number = number_of(address)
    if is_number(number):
        return True
    return address.startswith(_PREFIX) and _WHATSAPP_USER.fullmatch(number) is not None


def on_channel(number: str, channel: Channel) -> str:
    """Return the address of a number on a channel."""
    return f"{_PREFIX}{number}" if channel is Channel.WHATSAPP else number


def country_of(number: str) -> str:
    """Return the country Twilio would name for a number, or the empty string."""
    for length in (4, 3, 2):
        country = _COUNTRIES.get(number[:length])
        if country:
            return country
    return ""
