"""``python -m broadcaster.sandbox``: a sandbox in the foreground."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from broadcaster.sandbox.config import Phone, SandboxConfig
from broadcaster.sandbox.errors import InvalidConfig
from broadcaster.sandbox.server import SandboxServer

_CHIPS = ("NRC AAN", "NRC UIT", "STOP", "HELP")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sandbox until interrupted; return 2 when it cannot start like this."""
    given = _parser().parse_args(arguments)
    try:
        config = SandboxConfig(
            account_sid=given.account_sid,
            auth_token=given.auth_token,
            senders=tuple(given.sender),
            phones=tuple(map(_phone, given.phone)),
            webhook_base=given.webhook_base,
            host=given.host,
            port=given.port,
            journal_path=given.journal,
            chips=tuple(given.chip or _CHIPS),
        )
        server = SandboxServer(config).start()
    except InvalidConfig as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"Sandbox on {server.url}\n")
    sys.stdout.flush()
    try:
        Event().wait()
    except KeyboardInterrupt:
        server.stop()
    return 0


def _phone(text: str) -> Phone:
    name, equals, number = text.partition("=")
    if not equals:
        message = "A phone is given as name=number, such as Anna=+15550100001."
        raise InvalidConfig(message)
    return Phone(name=name, number=number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m broadcaster.sandbox",
        description="A Twilio-compatible server on loopback, with phones on a web page.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=8010, help="0 takes a free one")
    parser.add_argument("--account-sid", required=True, help="AC and 32 hexadecimal digits")
    parser.add_argument("--auth-token", required=True, help="also signs the webhooks")
    parser.add_argument(
        "--sender", action="append", required=True, help="+<digits> or whatsapp:+<digits>"
    )
    parser.add_argument(
        "--phone", action="append", default=[], metavar="NAME=NUMBER", help="repeatable"
    )
    parser.add_argument("--webhook-base", help="where the product listens")
    parser.add_argument("--journal", type=Path, help="a file for the journal, synced per entry")
    parser.add_argument("--chip", action="append", default=[], help="a text offered as a button")
    return parser


if __name__ == "__main__":
    sys.exit(main())
