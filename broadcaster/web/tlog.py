"""The log for anyone to audit, without a sign-in: C2SP tlog-tiles under ``/ledger``.

Only what the newest signed checkpoint covers is there, so nobody can watch people join as they do.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort

from broadcaster.ledger.errors import WrongTile
from broadcaster.ledger.merkle import HASH_SIZE
from broadcaster.ledger.tiles import pack_entries, parse_path
from broadcaster.storage import ledger, tiles
from broadcaster.storage.models import Checkpoint
from broadcaster.web.access import public
from broadcaster.web.extensions import reading, runtime

blueprint = Blueprint("tlog", __name__)


@blueprint.get("/ledger/checkpoint")
@public
def checkpoint() -> Response:
    """Give the newest signed checkpoint."""
    return Response(_latest().note, content_type="text/plain; charset=utf-8")


@blueprint.get("/ledger/tile/<path:path>")
@public
def tile(path: str) -> Response:
    """Give a tile's hashes, or the entries of a bundle; they never change."""
    try:
        wanted = parse_path(path)
    except WrongTile:
        abort(404)
    published = runtime().settings.ledger.publish
    is_shown = published == "entries" or (published == "hashes" and wanted.level is not None)
    if not is_shown or not wanted.is_in(_latest().size):
        abort(404)
    if wanted.level is None:
        data = pack_entries(tiles.entries(reading(), wanted))
    else:
        data = tiles.of(reading(), wanted)[: wanted.width * HASH_SIZE]
    response = Response(data, content_type="application/octet-stream")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _latest() -> Checkpoint:
    """Return the newest checkpoint; before the first there is nothing to audit."""
    latest = ledger.latest_checkpoint(reading())
    if latest is None:
        abort(404)
    return latest
