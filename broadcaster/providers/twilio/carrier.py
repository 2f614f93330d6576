"""What Twilio does by itself when somebody texts STOP or START, before we see the text.

On SMS Twilio blocks and answers on its own words; WhatsApp only with Advanced Opt-Out, which says
so in ``OptOutType``. Only the whole text counts, whatever its case: "Stop please" is not matched.
Sources: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out,
https://www.twilio.com/docs/api/errors/23002
"""

from __future__ import annotations

from broadcaster.core.address import Channel
from broadcaster.core.messages import InboundMessage, OptOutType

STOP_WORDS = frozenset(
    {"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"}
)
START_WORDS = frozenset({"START", "YES", "UNSTOP"})
_BLANKS = " \t\r\n"


def answers_stop_itself(message: InboundMessage) -> bool:
    """Tell whether Twilio has blocked the author and confirmed the stop: we must stay silent.

    Args:
        message: the text as received.
    """
    return message.opt_out_type is OptOutType.STOP or _is_one_of(STOP_WORDS, message)


def answers_help_itself(message: InboundMessage) -> bool:
    """Tell whether Twilio has given the help text that the operator wrote for Advanced Opt-Out.

    Its default help on SMS does not say who we are, so that one does not count as an answer.

    Args:
        message: the text as received.
    """
    return message.opt_out_type is OptOutType.HELP


def lifts_block_itself(message: InboundMessage) -> bool:
    """Tell whether Twilio has lifted its own block, so that messages arrive again.

    Args:
        message: the text as received. YES lifts the block and subscribes nobody.
    """
    return message.opt_out_type is OptOutType.START or _is_one_of(START_WORDS, message)


def _is_one_of(words: frozenset[str], message: InboundMessage) -> bool:
    # ASCII only: upper() also makes "S" of the long s, which Twilio does not match.
    text = message.body.strip(_BLANKS)
    return message.author.channel is Channel.SMS and text.isascii() and text.upper() in words
