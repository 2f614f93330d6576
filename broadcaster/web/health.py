"""For machines that watch: is it alive, and can it do its work."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from broadcaster.core.errors import BroadcasterError
from broadcaster.storage import schema
from broadcaster.web.access import public
from broadcaster.web.extensions import runtime, stop_reading

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def alive() -> Response:
    """Answer, which is all it takes to be alive."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@public
def ready() -> tuple[Response, int]:
    """Tell whether the database answers and has the tables of this version."""
    stop_reading()
    try:
        schema.check(runtime().database)
    except BroadcasterError:
        return jsonify(ready=False, database="unreachable or of another version"), 503
    return jsonify(ready=True, database="ok"), 200
