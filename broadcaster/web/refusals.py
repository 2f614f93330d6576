"""Why the provider refuses, in the reader's language: its English sentences are the message ids."""

from __future__ import annotations

from flask_babel import lazy_gettext as _

from broadcaster.web.extensions import runtime
from broadcaster.web.wording import gettext

#: Every sentence that ``Provider.explain`` may say, so that each has its translation.
SENTENCES = (
    _("Twilio was too busy and took nothing; it is asked again."),
    _("Twilio failed; whether it took the message is being looked up."),
    _("We sent faster than this sender may; sending goes on more slowly."),
    _("Twilio or the network had a fault of its own."),
    _("The phone could not be reached: off, without network, or too late."),
    _("WhatsApp held it back: this person received enough marketing for now."),
    _("This person stopped or blocked our messages at the provider."),
    _("This number does not exist or cannot receive such messages."),
    _("WhatsApp does not deliver this message to this person."),
    _("The provider did not accept the text; change the bulletin."),
    _("The provider could not use the picture or file; change the bulletin."),
    _("The sender or the Twilio account may not send this; ask your admin."),
    _("The provider gave a reason that we do not know; look up its code."),
    _("Too many messages of this sender are waiting at Twilio."),
    _("The phone network is congested."),
    _("The sender reached its limit of messages per second."),
    _("The sender reached WhatsApp's limit of messages per second."),
    _("The account reached its limit of messages for today."),
    _("The phone network failed without giving a reason."),
    _("The phone network did not answer in time."),
    _("The phone is off or has no network."),
    _("The message's time ran out before it could be delivered."),
    _("This person texted STOP; the provider blocks our messages to them."),
    _("This person blocked us on WhatsApp."),
    _("This person stopped our marketing messages on WhatsApp."),
    _("This is no valid phone number."),
    _("This phone number cannot be reached."),
    _("This is not a mobile number."),
    _("This phone number is unknown or no longer in use."),
    _("This is a landline, or its network takes no messages."),
    _("This number has no WhatsApp."),
    _("This number cannot receive WhatsApp messages."),
    _("WhatsApp withholds messages from this person, for a limit or an experiment."),
    _("The message has no text."),
    _("The text is longer than 1,600 characters."),
    _("The template is unknown at Twilio."),
    _("The template's variables are not valid."),
    _("A variable of the template is longer than 1,600 characters."),
    _("The text breaks WhatsApp's policy."),
    _("The 24-hour window on WhatsApp is closed; only a template may be sent."),
    _("The text of the template is longer than 1,024 characters."),
    _("The template does not exist in this language."),
    _("The template's variables do not match their number."),
    _("WhatsApp paused this template for its low quality."),
    _("WhatsApp disabled this template."),
    _("The picture or file is too large."),
    _("The address of the picture or file is not valid."),
    _("The picture or file could not be fetched."),
    _("Twilio does not accept the account's secret."),
    _("The Twilio account is not active."),
    _("The account may not send to this country."),
    _("The sender is missing."),
    _("The sender is no number of this account that can send messages."),
    _("This sender cannot reach this number."),
    _("The messaging service has no sender."),
    _("The messaging service has no sender for this number."),
    _("The Twilio account is suspended."),
    _("The message was blocked."),
    _("The phone network filtered the message as spam."),
    _("WhatsApp does not accept the sender's credentials."),
    _("The sender is unknown on WhatsApp."),
    _("This is a landline."),
    _("The sender is no valid number."),
    _("The sender cannot send messages."),
    _("A trial account may only send to numbers that were verified."),
    _("The sender is no number of Twilio's."),
    _("The sender is a number of another account."),
    _("The sender is a number that cannot send messages."),
)


def explain(code: int) -> str:
    """Say what the provider's code means, in the reader's language."""
    return gettext(runtime().provider.explain(code))
