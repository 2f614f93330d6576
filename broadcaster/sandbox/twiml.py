"""Reading the product's TwiML: a small, safe part of XML, and of TwiML only messages."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers.expat import ExpatError, ParserCreate

from broadcaster.sandbox.webhooks import MAX_ANSWER

DOCUMENT_PARSE_FAILURE = 12100
INVALID_CONTENT_TYPE = 12300
TOO_LARGE = 11750
_XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
_MESSAGE_VERBS = frozenset({"Message", "Sms"})


class InvalidTwiML(Exception):  # noqa: N818 - reads as what it says
    """Twilio could not use this answer; ``code`` is its error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One message the product asks to send back."""

    body: str
    status_callback: str | None = None


def read(content: bytes, content_type: str) -> list[Reply]:
    """Return the messages in an answer to an inbound webhook.

    Raises:
        InvalidTwiML: the answer is too large, of another type, or no TwiML document.
    """
    if len(content) > MAX_ANSWER:
        raise InvalidTwiML(TOO_LARGE, "TwiML response body too large")
    if not content.strip():
        return []
    if content_type == "text/plain":
        return [Reply(body=_text(content))]
    if content_type not in _XML_TYPES:
        raise InvalidTwiML(INVALID_CONTENT_TYPE, "Invalid Content-Type")
    return _Reader().read(content)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidTwiML(DOCUMENT_PARSE_FAILURE, "Document parse failure") from error


class _Reader:
    """Collects messages while expat walks through a document."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._replies: list[Reply] = []
        self._text: list[str] = []
        self._body: str | None = None
        self._status_callback: str | None = None

    def read(self, content: bytes) -> list[Reply]:
        parser = ParserCreate()
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(content, True)  # noqa: FBT003 - expat takes it by position
        except (ExpatError, ValueError) as error:
            raise InvalidTwiML(DOCUMENT_PARSE_FAILURE, "Document parse failure") from error
        return self._replies

    def _refuse_doctype(self, *_: object) -> None:
        """Refuse every document type: entities come with it, and TwiML has no use for one."""
        raise InvalidTwiML(DOCUMENT_PARSE_FAILURE, "Document parse failure")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != "Response":
            raise InvalidTwiML(DOCUMENT_PARSE_FAILURE, "Document parse failure")
        self._path.append(name)
        if len(self._path) == 2 and name in _MESSAGE_VERBS:  # noqa: PLR2004 - directly under Response
            self._body = None
            callback = attributes.get("statusCallback") or attributes.get("action")
            self._status_callback = callback or None
        if name == "Body" or name in _MESSAGE_VERBS:
            self._text.clear()

    def _characters(self, text: str) -> None:
        """Keep the text of a message and its body, not of other things inside, such as Media."""
        if self._path[-1] == "Body" or self._path[-1] in _MESSAGE_VERBS:
            self._text.append(text)

    def _end(self, name: str) -> None:
        inside = self._path[1] if len(self._path) > 1 else ""
        self._path.pop()
        if inside not in _MESSAGE_VERBS:
            return
        if name == "Body":
            self._body = (self._body or "") + "".join(self._text)
        elif len(self._path) == 1:
            body = "".join(self._text).strip() if self._body is None else self._body
            self._replies.append(Reply(body=body, status_callback=self._status_callback))
