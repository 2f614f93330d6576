"""What every page shows around its own part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, request

from broadcaster.services import audit
from broadcaster.services.audit import Head
from broadcaster.services.staff import Role
from broadcaster.web.access import may, member
from broadcaster.web.extensions import reading, runtime
from broadcaster.web.languages import LANGUAGES, current
from broadcaster.web.links import local_path


def install(app: Flask) -> None:
    """Give all templates what the frame needs."""
    app.context_processor(_frame)


def _frame() -> dict[str, Any]:
    settings = runtime().settings
    head: Callable[[], Head] = lambda: audit.head(reading(), runtime())  # noqa: E731 - asked late
    return {
        "organisation": settings.organisation,
        "demo": settings.is_demo,
        "phones_url": current_app.config["PHONES_URL"],
        "member": member(),
        "may_write": may(Role.EDITOR),
        "may_audit": may(Role.AUDITOR),
        "language": current(),
        "languages": LANGUAGES,
        "ledger_state": head,
        "here_path": _here(),
    }


def _here() -> str:
    """Return the path to come back to after the language was switched."""
    if request.method != "GET":
        return "/"
    return local_path(request.full_path.rstrip("?")) or "/"
