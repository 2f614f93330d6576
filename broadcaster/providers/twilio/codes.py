"""Twilio's error codes as data: what kind of trouble each is, and a sentence for the editor.

The sentences are the message ids under which the screens are translated.
Sources: https://www.twilio.com/docs/api/errors and the reasons that nyaruka/courier keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from broadcaster.core.remedy import Remedy


class Group(StrEnum):
    """What an error asks of us."""

    RETRY = "retry"  # not processed: ask again after a moment
    UNDECIDED = "undecided"  # nobody knows: compare with the provider's list first
    LATER = "later"  # too fast: pause the sender, go on within the bulletin's time
    TROUBLE = "trouble"  # the provider's own fault: a few tries, further and further apart
    UNREACHABLE = "unreachable"  # not now: leave it for this bulletin, count it
    MARKETING = "marketing"  # WhatsApp's limit on marketing: next bulletin at the earliest
    OPT_OUT = "opt_out"  # the person stopped or blocked us: end the channel, write it down
    ADDRESS_DEAD = "address_dead"  # suspend the address
    NOT_THIS_ONE = "not_this_one"  # only this message cannot reach this person
    CONTENT = "content"  # text, template or window: stop the bulletin, tell the editor
    MEDIA = "media"  # the picture or file: stop the bulletin
    SENDER = "sender"  # account, number or permission: stop everything on it, alarm
    OTHER = "other"  # a code we do not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a message did not arrive.

    Args:
        group: what it asks of us.
        sentence: plain English for the editor's report; a message id for translations.
    """

    group: Group
    sentence: str


GENERAL: Mapping[Group, str] = MappingProxyType(
    {
        Group.RETRY: "Twilio was too busy and took nothing; it is asked again.",
        Group.UNDECIDED: "Twilio failed; whether it took the message is being looked up.",
        Group.LATER: "We sent faster than this sender may; sending goes on more slowly.",
        Group.TROUBLE: "Twilio or the network had a fault of its own.",
        Group.UNREACHABLE: "The phone could not be reached: off, without network, or too late.",
        Group.MARKETING: "WhatsApp held it back: this person received enough marketing for now.",
        Group.OPT_OUT: "This person stopped or blocked our messages at the provider.",
        Group.ADDRESS_DEAD: "This number does not exist or cannot receive such messages.",
        Group.NOT_THIS_ONE: "WhatsApp does not deliver this message to this person.",
        Group.CONTENT: "The provider did not accept the text; change the bulletin.",
        Group.MEDIA: "The provider could not use the picture or file; change the bulletin.",
        Group.SENDER: "The sender or the Twilio account may not send this; ask your admin.",
        Group.OTHER: "The provider gave a reason that we do not know; look up its code.",
    }
)

_CODES: Mapping[Group, Mapping[int, str]] = {
    Group.RETRY: {20429: "", 429: ""},
    Group.UNDECIDED: {20500: "", 20503: "", 20504: ""},
    Group.LATER: {
        21611: "Too many messages of this sender are waiting at Twilio.",
        30001: "Too many messages of this sender are waiting at Twilio.",
        30017: "The phone network is congested.",
        30022: "The sender reached its limit of messages per second.",
        63017: "",
        63018: "The sender reached WhatsApp's limit of messages per second.",
        63038: "The account reached its limit of messages for today.",
    },
    Group.TROUBLE: {
        30008: "The phone network failed without giving a reason.",
        30410: "The phone network did not answer in time.",
        63009: "",
        63010: "",
        63012: "",
    },
    Group.UNREACHABLE: {
        30003: "The phone is off or has no network.",
        30036: "The message's time ran out before it could be delivered.",
    },
    Group.MARKETING: {63049: ""},
    Group.OPT_OUT: {
        21610: "This person texted STOP; the provider blocks our messages to them.",
        63014: "This person blocked us on WhatsApp.",
        63033: "This person blocked us on WhatsApp.",
        131050: "This person stopped our marketing messages on WhatsApp.",
    },
    Group.ADDRESS_DEAD: {
        21211: "This is no valid phone number.",
        21214: "This phone number cannot be reached.",
        21217: "This is no valid phone number.",
        21614: "This is not a mobile number.",
        21635: "This is a landline.",
        30005: "This phone number is unknown or no longer in use.",
        30006: "This is a landline, or its network takes no messages.",
        63003: "This number has no WhatsApp.",
        63024: "This number cannot receive WhatsApp messages.",
    },
    Group.NOT_THIS_ONE: {
        63032: "WhatsApp withholds messages from this person, for a limit or an experiment.",
    },
    Group.CONTENT: {
        21602: "The message has no text.",
        21617: "The text is longer than 1,600 characters.",
        21655: "The template is unknown at Twilio.",
        21656: "The template's variables are not valid.",
        21658: "A variable of the template is longer than 1,600 characters.",
        63005: "",
        63013: "The text breaks WhatsApp's policy.",
        63016: "The 24-hour window on WhatsApp is closed; only a template may be sent.",
        63021: "The text of the template is longer than 1,024 characters.",
        63027: "The template does not exist in this language.",
        63028: "The template's variables do not match their number.",
        63030: "",
        63041: "WhatsApp paused this template for its low quality.",
        63042: "WhatsApp disabled this template.",
    },
    Group.MEDIA: {
        11751: "The picture or file is too large.",
        21620: "The address of the picture or file is not valid.",
        63019: "The picture or file could not be fetched.",
        63034: "",
    },
    Group.SENDER: {
        401: "Twilio does not accept the account's secret.",
        403: "",
        404: "",
        20003: "Twilio does not accept the account's secret.",
        20005: "The Twilio account is not active.",
        21212: "The sender is no valid number.",
        21408: "The account may not send to this country.",
        21601: "The sender cannot send messages.",
        21603: "The sender is missing.",
        21606: "The sender is no number of this account that can send messages.",
        21608: "A trial account may only send to numbers that were verified.",
        21612: "This sender cannot reach this number.",
        21659: "The sender is no number of Twilio's.",
        21660: "The sender is a number of another account.",
        21661: "The sender is a number that cannot send messages.",
        21703: "The messaging service has no sender.",
        21704: "The messaging service has no sender for this number.",
        30002: "The Twilio account is suspended.",
        30004: "The message was blocked.",
        30007: "The phone network filtered the message as spam.",
        63001: "WhatsApp does not accept the sender's credentials.",
        63007: "The sender is unknown on WhatsApp.",
        63020: "",
        63062: "",
    },
}

CAUSES: Mapping[int, Cause] = MappingProxyType(
    {
        code: Cause(group=group, sentence=sentence or GENERAL[group])
        for group, sentences in _CODES.items()
        for code, sentence in sentences.items()
    }
)
#: Unlike a block on WhatsApp, which ends when the person writes to us, this ends with START only.
STOPPED_AT_TWILIO = 21610
#: Refusals that say nothing of the recipient: the next one would be refused as well. Codes that
#: may depend on who it goes to (a country, a network, one person's 24 hours) are not among them:
#: one such person would keep the bulletin from everybody after them.
CONCERNING_EVERYBODY = frozenset(
    {
        *(401, 20003, 20005, 30002),  # the account
        *(21603, 21606, 21703, 63001, 63007),  # the sender
        # Since July 2024 Twilio says more exactly what is wrong with it. That of a short code (21659)
        # may depend on the country it goes to; our senders are numbers.
        *(21212, 21601, 21659, 21660, 21661),
        *(21602, 21617, 21655, 21656, 21658, 63021, 63027, 63028, 63041, 63042),  # the text
        *(11751, 21620),  # the media
    }
)

_REMEDIES: Mapping[Group, Remedy] = MappingProxyType(
    {
        Group.RETRY: Remedy.RETRY,
        Group.UNDECIDED: Remedy.LOOK_UP,
        Group.LATER: Remedy.SLOW_DOWN,
        Group.TROUBLE: Remedy.TRY_LATER,
        Group.UNREACHABLE: Remedy.UNREACHABLE,
        Group.MARKETING: Remedy.NOT_NOW,
        Group.OPT_OUT: Remedy.OPT_OUT,
        Group.ADDRESS_DEAD: Remedy.SUSPEND,
        Group.NOT_THIS_ONE: Remedy.NOT_THIS_ONE,
        Group.CONTENT: Remedy.STOP_BULLETIN,
        Group.MEDIA: Remedy.STOP_BULLETIN,
        Group.SENDER: Remedy.STOP_SENDER,
        Group.OTHER: Remedy.FAIL,
    }
)
_STOPS = frozenset({Remedy.STOP_BULLETIN, Remedy.STOP_SENDER})
_UNKNOWN_CODE = Cause(group=Group.OTHER, sentence=GENERAL[Group.OTHER])


def explain(code: int) -> Cause:
    """Say what a code means and asks of us.

    Args:
        code: Twilio's error code, or the HTTP status where an answer named none.
    """
    return CAUSES.get(code, _UNKNOWN_CODE)


def remedy(code: int) -> Remedy:
    """Say what to do about a code; only what concerns everybody stops everybody.

    Args:
        code: Twilio's error code, or the HTTP status where an answer named none.
    """
    found = _REMEDIES[explain(code).group]
    return Remedy.FAIL if found in _STOPS and code not in CONCERNING_EVERYBODY else found
