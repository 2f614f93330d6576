"""What a provider's error code asks of us."""

from __future__ import annotations

from enum import StrEnum


class Remedy(StrEnum):
    """The one thing to do about a refusal or a failure; the provider knows which."""

    RETRY = "retry"  # nothing was processed: ask again after a moment
    LOOK_UP = "look_up"  # nobody knows: the provider's own list decides
    SLOW_DOWN = "slow_down"  # too fast: pause the sender, queue the message again
    TRY_LATER = "try_later"  # the provider's own fault: at most three tries, further apart
    UNREACHABLE = "unreachable"  # the phone is off: not again for this bulletin, count it
    NOT_NOW = "not_now"  # enough marketing for this person: the next bulletin at the earliest
    OPT_OUT = "opt_out"  # the person stopped or blocked us there: write it down as a stop
    SUSPEND = "suspend"  # the address is dead
    NOT_THIS_ONE = "not_this_one"  # only this message does not reach this person
    STOP_BULLETIN = "stop_bulletin"  # the text or the media: everybody would be refused
    STOP_SENDER = "stop_sender"  # the account or the number: everybody would be refused
    FAIL = "fail"  # this delivery has failed, and nothing follows from it
