"""A pack of evidence as a page to print: on the screen, as a file of its own, as a PDF."""

from __future__ import annotations

import base64
import importlib
import json
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import render_template

from broadcaster.core.errors import InvalidInput
from broadcaster.ledger.merkle import leaf_hash
from broadcaster.services.evidence import Pack
from broadcaster.web.formats import asset
from broadcaster.web.wording import gettext as _

_SHEET = "evidence.css"
_STATIC = Path(__file__).parent / "static"


def as_page(pack: Pack, *, reason: str, opener: str) -> str:
    """Write a pack as a page of the site."""
    back = f"/people/{pack.value['subject']}/evidence"
    return _page(pack, asset(_SHEET), reason=reason, opener=opener, back=back)


def as_file(pack: Pack, *, reason: str, opener: str) -> str:
    """Write a pack as one file that needs no other."""
    sheet = base64.b64encode((_STATIC / _SHEET).read_bytes()).decode()
    return _page(pack, f"data:text/css;base64,{sheet}", reason=reason, opener=opener)


def as_pdf(pack: Pack, *, reason: str, opener: str) -> bytes:
    """Write a pack as a PDF on A4; nothing is fetched from anywhere.

    Raises:
        InvalidInput: the extra ``pdf``, or a library that it needs, is not installed.
    """
    printer = find_printer()
    page = as_file(pack, reason=reason, opener=opener)
    data: bytes = printer.HTML(string=page, url_fetcher=_fetch(printer)).write_pdf()
    return data


def may_print() -> bool:
    """Tell whether the extra ``pdf`` is there."""
    return find_spec("weasyprint") is not None


def find_printer() -> Any:  # noqa: ANN401 - a module
    """Return what writes PDFs.

    Raises:
        InvalidInput: the extra ``pdf``, or a library that it needs, is not installed.
    """
    try:
        return importlib.import_module("weasyprint")
    except ImportError as error:
        message = "A PDF needs the extra 'pdf': pip install 'broadcaster[pdf]'"
        raise InvalidInput(message) from error
    except OSError as error:
        message = (
            "WeasyPrint does not find Pango. On Debian: apt install libpango-1.0-0 "
            "libpangoft2-1.0-0; elsewhere: https://doc.courtbouillon.org/weasyprint"
        )
        raise InvalidInput(message) from error


def _fetch(printer: Any) -> Any:  # noqa: ANN401 - a module, a fetcher of its
    """Only what is in the page itself is read, whatever words people sent."""
    return printer.urls.URLFetcher(allowed_protocols={"data"}, fail_on_errors=True)


def _page(pack: Pack, sheet: str, *, reason: str, opener: str, back: str | None = None) -> str:
    value = pack.value
    documents = [json.loads(one["leaf"]) | {"index": one["index"]} for one in value["documents"]]
    return render_template(
        "evidence/pack.html",
        sheet=sheet,
        back=back,
        pack=value,
        made=_moment(value["about"]["made"]),
        entries=[_entry(one) for one in value["entries"]],
        texts=[{**one, "received": _moment(one["received"])} for one in value["texts"]],
        notices=[one for one in documents if one["kind"] != "config"],
        registers=[one for one in documents if one["kind"] == "config"],
        messages=[_message(one) for one in value["messages"]],
        lists=[{**one, "since": _moment(one["since"])} for one in value["lists"]],
        words=_words(),
        reason=reason,
        opener=opener,
    )


def _entry(one: dict[str, Any]) -> dict[str, Any]:
    leaf = json.loads(one["leaf"])
    return {
        **leaf,
        "index": one["index"],
        "occurred": _moment(leaf["occurred"]),
        "recorded": _moment(leaf["recorded"]),
        "hash": leaf_hash(one["leaf"].encode()).hex(),
    }


def _message(one: dict[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "handed": _moment(one["handed"]) if one["handed"] else None,
        "statuses": [{**two, "received": _moment(two["received"])} for two in one["statuses"]],
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _words() -> dict[str, str]:
    """Say in the reader's language what entries and messages call things."""
    return {
        "opt_in": _("joined"),
        "opt_out": _("left"),
        "opt_out_all": _("stopped everything"),
        "restart": _("may be written to again"),
        "terms_agreed": _("agreed to terms"),
        "terms_refused": _("refused terms"),
        "provider_stop": _("stopped at the provider"),
        "provider_start": _("lifted the stop at the provider"),
        "import": _("imported with proof"),
        "admin_opt_out": _("taken off by staff, at their request"),
        "correction": _("corrected"),
        "expired": _("expired"),
        "erased": _("erased"),
        "access_answered": _("got access to their data"),
        "accepted": _("accepted by the provider"),
        "sent": _("on its way"),
        "delivered": _("delivered"),
        "read": _("read"),
        "undelivered": _("not delivered"),
        "failed": _("refused by the provider"),
        "skipped": _("not sent"),
        "unknown": _("being looked up"),
        "held": _("nobody knows"),
        "queued": _("waiting"),
        "claimed": _("being handed over"),
        "handed_over": _("handed over"),
        "left": _("they had left"),
        "carrier_blocked": _("the provider blocks them"),
        "suspended": _("their number is dead"),
        "cancelled": _("the bulletin was ended"),
    }
