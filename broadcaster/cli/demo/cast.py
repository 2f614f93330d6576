"""Who plays in the demo: two lists, our numbers, and a handful of phones.

The numbers are from ranges that no phone has.
"""

from __future__ import annotations

from broadcaster.core.address import Address, Channel
from broadcaster.sandbox.config import Phone
from broadcaster.services.lists import Told

ORGANISATION = "De Ochtendpost"
ZONE = "Europe/Amsterdam"
WHATSAPP = Address(Channel.WHATSAPP, "+15550100100")
SMS = Address(Channel.SMS, "+15550100101")

PHONES = (
    Phone(name="Anna", number="+15550100001"),
    Phone(name="Bilal", number="+15550100002"),
    Phone(name="Chloé", number="+15550100003"),
    Phone(name="Daan", number="+15550100004"),
    Phone(name="Emma", number="+15550100005"),
    Phone(name="Farid", number="+15550100006"),
)
CHIPS = ("NRC AAN", "NRC UIT", "SPORT AAN", "HELP", "STOP")

_STORED = {
    "nl": "Je nummer, je aanmelding en wat je ons stuurt, zolang je op de lijst staat.",
    "en": "Your number, your subscription and what you send us, while you are on the list.",
}
_RESPONSE = {
    "nl": "Vragen beantwoordt de redactie op werkdagen binnen vier uur.",
    "en": "The newsroom answers questions within four hours on working days.",
}

LISTS: dict[str, tuple[str, dict[str, Told]]] = {
    "NRC": (
        "NRC Ochtendnieuws",
        {
            "nl": Told(
                what="Het belangrijkste nieuws van de ochtend.",
                frequency="Hooguit één bericht per dag",
                hours="op werkdagen tussen 7.00 en 9.00 uur",
                stored=_STORED["nl"],
                response_time=_RESPONSE["nl"],
            ),
            "en": Told(
                what="The most important news of the morning.",
                frequency="At most one message a day",
                hours="on working days between 7:00 and 9:00",
                stored=_STORED["en"],
                response_time=_RESPONSE["en"],
            ),
        },
    ),
    "SPORT": (
        "Sport vandaag",
        {
            "nl": Told(
                what="Uitslagen en de wedstrijd van de dag.",
                frequency="Hooguit drie berichten per week",
                hours="tussen 9.00 en 22.00 uur",
                stored=_STORED["nl"],
                response_time=_RESPONSE["nl"],
            ),
            "en": Told(
                what="Results and the match of the day.",
                frequency="At most three messages a week",
                hours="between 9:00 and 22:00",
                stored=_STORED["en"],
                response_time=_RESPONSE["en"],
            ),
        },
    ),
}
