"""The notice of a list: the exact words of what people are told before they join.

The text is what is hashed and logged, so it is made in one place and in one way.
"""

from __future__ import annotations

from dataclasses import dataclass

_LABELS = {
    "nl": {
        "what": "Wat",
        "frequency": "Hoe vaak",
        "hours": "Wanneer",
        "leave": "Stoppen",
        "stored": "Wat we bewaren",
        "privacy": "Privacyverklaring",
        "response": "Antwoord op vragen",
        "command": "{keyword} UIT",
        "stop": "stuur {leave}, of STOP voor alles",
    },
    "en": {
        "what": "What",
        "frequency": "How often",
        "hours": "When",
        "leave": "Leaving",
        "stored": "What we store",
        "privacy": "Privacy statement",
        "response": "Questions answered",
        "command": "{keyword} OFF",
        "stop": "text {leave}, or STOP to end everything",
    },
    "de": {
        "what": "Was",
        "frequency": "Wie oft",
        "hours": "Wann",
        "leave": "Abmelden",
        "stored": "Was wir speichern",
        "privacy": "Datenschutzerklärung",
        "response": "Antwort auf Fragen",
        "command": "{keyword} AUS",
        "stop": "{leave} senden, oder STOP für alles",
    },
    "fr": {
        "what": "Quoi",
        "frequency": "Fréquence",
        "hours": "Quand",
        "leave": "Se désabonner",
        "stored": "Ce que nous conservons",
        "privacy": "Confidentialité",
        "response": "Réponse aux questions",
        "command": "STOP {keyword}",
        "stop": "envoyez {leave}, ou STOP pour tout arrêter",
    },
    "es": {
        "what": "Qué",
        "frequency": "Frecuencia",
        "hours": "Cuándo",
        "leave": "Darse de baja",
        "stored": "Qué guardamos",
        "privacy": "Privacidad",
        "response": "Respuesta a preguntas",
        "command": "BAJA {keyword}",
        "stop": "envía {leave}, o STOP para todo",
    },
}

LANGUAGES = tuple(_LABELS)


def leaving(keyword: str, language: str) -> str:
    """Return what to text to leave one list, as its notice says it."""
    return _LABELS[language]["command"].format(keyword=keyword)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """What people on a list are told, in one language.

    Args:
        organisation: who sends.
        list_name: the list's name.
        keyword: the word that joins and leaves it.
        language: one of ``LANGUAGES``.
        what: what the bulletins are about.
        frequency: how often they come at most.
        hours: on which days and hours.
        stored: what is kept of a subscriber, and for how long.
        privacy_url: where the privacy statement is.
        response_time: how soon a question is answered, and by whom.
    """

    organisation: str
    list_name: str
    keyword: str
    language: str
    what: str
    frequency: str
    hours: str
    stored: str
    privacy_url: str
    response_time: str

    def render(self) -> str:
        """Return the notice as text: one line a promise."""
        label = _LABELS[self.language]
        return "\n".join(
            (
                f"{self.organisation}: {self.list_name} ({self.keyword})",
                f"{label['what']}: {self.what}",
                f"{label['frequency']}: {self.frequency}",
                f"{label['hours']}: {self.hours}",
                f"{label['leave']}: {label['stop'].format(leave=leaving(self.keyword, self.language))}",
                f"{label['stored']}: {self.stored}",
                f"{label['privacy']}: {self.privacy_url}",
                f"{label['response']}: {self.response_time}",
            )
        )
