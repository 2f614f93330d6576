"""What the sandbox refuses: its own set-up faults, and Twilio's error bodies.

SandboxError
├── InvalidConfig   the sandbox cannot start like this
├── InvalidCommand  the control interface was asked something it cannot do
└── ApiError        an answer of Twilio's REST interface other than success
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class SandboxError(Exception):
    """Root of the sandbox's errors; it shares none with the product it judges."""


class InvalidConfig(SandboxError):  # noqa: N818 - reads as what it says
    """The sandbox cannot start like this; the text says what to change."""


class InvalidCommand(SandboxError):  # noqa: N818 - reads as what it says
    """The control interface was asked something it cannot do; the text says why."""


class ApiError(SandboxError):
    """Twilio's answer to a request that it does not accept.

    Args:
        code: Twilio's error code.
        message: the text in the body, as near to Twilio's as is known.
        status: the HTTP status.
        headers: extra headers, such as ``Retry-After``.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """Return the JSON body Twilio sends with this error."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": int(self.status),
        }


def authenticate() -> ApiError:
    """Return the answer to wrong or missing credentials."""
    return ApiError(
        20003,
        "Authenticate",
        status=HTTPStatus.UNAUTHORIZED,
        headers={"WWW-Authenticate": 'Basic realm="Twilio API"'},
    )


def not_found(path: str) -> ApiError:
    """Return the answer to a path that names nothing."""
    text = f"The requested resource {path} was not found"
    return ApiError(20404, text, status=HTTPStatus.NOT_FOUND)


def too_many_requests(concurrent: int) -> ApiError:
    """Return the answer to more requests than the account may have under way."""
    headers = {"Retry-After": "1", "Twilio-Concurrent-Requests": str(concurrent)}
    return ApiError(
        20429, "Too Many Requests", status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers
    )


def internal() -> ApiError:
    """Return the answer of a provider that is broken inside."""
    return ApiError(
        20500,
        "An internal server error has occurred",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
    )


# What a message's error_message says; only the codes that the sandbox itself can produce.
DELIVERY_ERRORS: Mapping[int, str] = {
    21610: "Attempt to send to unsubscribed recipient",
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Carrier violation",
    63003: "Channel could not find To address",
    63016: "Failed to send freeform message because you are outside the allowed window. "
    "If you are using WhatsApp, please use a Message Template.",
    63024: "Invalid message recipient",
}
