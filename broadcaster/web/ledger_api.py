"""The ledger's answers for programs: JSON, and errors as problem+json (RFC 9457)."""

from __future__ import annotations

import json
import re
from http import HTTPStatus

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from broadcaster.core.errors import BroadcasterError, InvalidInput, LedgerBroken, NotFound
from broadcaster.core.looking_back import read_moment
from broadcaster.ledger.errors import LedgerError
from broadcaster.ledger.fields import format_moment
from broadcaster.services import history
from broadcaster.services.staff import Role
from broadcaster.web.access import requires
from broadcaster.web.extensions import runtime, stop_reading

_log = structlog.get_logger()

blueprint = Blueprint("ledger_api", __name__, url_prefix="/api/v1/ledger")

_MOST = 10_000
_SUBJECT = re.compile(r"[0-9a-f]{32}|")
_LIMIT = re.compile(r"[1-9][0-9]{0,4}")


@blueprint.get("/at")
@requires(Role.AUDITOR)
def at() -> Response:
    """Say who was on a list at a moment: count first, then a page of subjects, then where to go on.

    Without a distance from UTC the moment is by the clock of the organisation's zone.
    """
    parts = runtime()
    _refuse_unknown({"list", "moment", "after", "limit"})
    after, limit = request.args.get("after", ""), request.args.get("limit", str(_MOST))
    if not _SUBJECT.fullmatch(after) or not _LIMIT.fullmatch(limit) or int(limit) > _MOST:
        message = f"'after' is a subject of 32 hex digits, 'limit' a number from 1 to {_MOST:,}."
        raise InvalidInput(message)
    zone, now = parts.settings.organisation.zone, parts.clock.now()
    moment = read_moment(request.args.get("moment", ""), zone, now)
    stop_reading()
    found = history.roll(parts, request.args.get("list", ""), moment)
    subjects = found.after(after, int(limit))
    more = bool(subjects) and bool(found.after(subjects[-1], 1))
    return _json(
        {
            "list": found.name,
            "moment": format_moment(found.moment),
            "count": len(found),
            "ledger_size": found.size,
            "subjects": subjects,
            "next": subjects[-1] if more else None,
        }
    )


@blueprint.errorhandler(BroadcasterError)
@blueprint.errorhandler(LedgerError)
def refused(error: BroadcasterError | LedgerError) -> Response:
    """Say what was wrong with the question, or with the ledger."""
    match error:
        case NotFound():
            return _problem(HTTPStatus.NOT_FOUND, str(error))
        case InvalidInput():
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    _log.error("ledger_unreadable", kind=type(error).__name__)
    detail = str(error) if isinstance(error, LedgerError | LedgerBroken) else ""
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


@blueprint.errorhandler(HTTPException)
def failed(error: HTTPException) -> Response:
    """Say in the same form what is wrong with the request itself."""
    return _problem(HTTPStatus(error.code or 500), "")


def _refuse_unknown(known: set[str]) -> None:
    for name in request.args:
        if name not in known or len(request.args.getlist(name)) > 1:
            message = f"Each of {', '.join(sorted(known))} may be given once, and nothing else."
            raise InvalidInput(message)


def _problem(status: HTTPStatus, detail: str) -> Response:
    value = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if detail:
        value["detail"] = detail
    response = _json(value, "application/problem+json")
    response.status_code = status.value
    return response


def _json(value: object, mimetype: str = "application/json") -> Response:
    return Response(json.dumps(value) + "\n", mimetype=mimetype)
