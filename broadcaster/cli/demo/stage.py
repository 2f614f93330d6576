"""Setting the stage: a home directory, the simulated Twilio, the product, its engine."""

from __future__ import annotations

import secrets
import socket
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broadcaster.app import create_app
from broadcaster.bootstrap import build_engine, build_runtime, make_keys
from broadcaster.cli.demo import cast
from broadcaster.cli.server import WebServer
from broadcaster.core.errors import InvalidInput
from broadcaster.logs import configure
from broadcaster.runtime import Runtime
from broadcaster.sandbox.config import SandboxConfig, Timing
from broadcaster.sandbox.errors import InvalidConfig
from broadcaster.sandbox.server import SandboxServer
from broadcaster.services import lists, staff
from broadcaster.services.staff import Role
from broadcaster.settings import load
from broadcaster.storage import lists as stored_lists
from broadcaster.storage import schema
from broadcaster.storage.session import WRITES, make_engine

_HOST = "127.0.0.1"
_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
_SID_BYTES = 16
_PASSWORD_BYTES = 9
EDITOR = "editor"
AUDITOR = "auditor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The demo, running.

    Args:
        home: where its data is.
        url: where the product is.
        phones_url: where the phones are.
        sandbox: the simulated Twilio.
        runtime: the product's parts.
        passwords: name of each account → its password, made for this run.
    """

    home: Path
    url: str
    phones_url: str
    sandbox: SandboxServer
    runtime: Runtime
    passwords: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The simulated Twilio account; kept in the home, so that it can be used again."""

    sid: str
    token: str


def set_up(
    stack: ExitStack,
    home: Path,
    *,
    port: int,
    phones_port: int,
    timing: Timing | None = None,
    concurrency: int = 50,
) -> Stage:
    """Start everything; leaving the stack stops it again.

    Args:
        stack: takes what must be stopped.
        home: a directory that is empty or was a demo's.
        port: the product's port; 0 takes a free one.
        phones_port: the phones' port; another one if it is taken.
        timing: how fast simulated messages travel.
        concurrency: requests under way at once.

    Raises:
        InvalidInput: the port is taken, or the directory holds something else.
    """
    # Before anything is written, and before the settings name the port.
    own_port = _free_port(port)
    account = _account(home)
    sandbox = _start_sandbox(account, phones_port, timing or Timing())
    stack.callback(sandbox.stop)
    url = f"http://{_HOST}:{own_port}"
    _write_config(home, account, url, sandbox.url, concurrency)
    runtime = _prepare(home)
    # The last connection that closes puts everything into the one file that people copy.
    stack.callback(runtime.database.dispose)
    passwords = _accounts(runtime)
    _serve(stack, runtime, own_port, sandbox.url)
    sandbox.point_to(url)
    return Stage(
        home=home,
        url=url,
        phones_url=sandbox.url,
        sandbox=sandbox,
        runtime=runtime,
        passwords=passwords,
    )


def _serve(stack: ExitStack, runtime: Runtime, port: int, phones_url: str) -> None:
    configure(runtime.settings.log)
    server = WebServer(
        create_app(runtime, phones_url=phones_url),
        host=_HOST,
        port=port,
        threads=runtime.settings.web.threads,
    )
    server.start()
    stack.callback(server.stop)
    engine = build_engine(runtime)
    engine.start()
    stack.callback(engine.stop)


def _account(home: Path) -> Account:
    written = home / "config.toml"
    if written.exists():
        known = _demo_settings(written)
        if known.get("mode") != "demo":
            message = f"{home} belongs to a real installation; choose another --home."
            raise InvalidInput(message)
        try:
            return Account(sid=known["twilio"]["account_sid"], token=known["twilio"]["auth_token"])
        except (KeyError, TypeError) as error:
            message = f"{written} was changed since the demo wrote it; choose another --home."
            raise InvalidInput(message) from error
    if home.exists() and any(home.iterdir()):
        message = f"{home} is not empty; choose another --home."
        raise InvalidInput(message)
    home.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_DIRECTORY)
    return Account(sid=f"AC{secrets.token_hex(_SID_BYTES)}", token=secrets.token_hex(_SID_BYTES))


def _demo_settings(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"{path} is no file of settings; choose another --home."
        raise InvalidInput(message) from error


def _start_sandbox(account: Account, port: int, timing: Timing) -> SandboxServer:
    def at(port: int) -> SandboxServer:
        return SandboxServer(
            SandboxConfig(
                account_sid=account.sid,
                auth_token=account.token,
                senders=(cast.WHATSAPP.wire, cast.SMS.wire),
                phones=cast.PHONES,
                port=port,
                timing=timing,
                chips=cast.CHIPS,
                zone=cast.ZONE,
            )
        )

    try:
        return at(port).start()
    except InvalidConfig:
        return at(0).start()


def _free_port(wanted: int) -> int:
    try:
        with socket.create_server((_HOST, wanted)) as probe:
            port: int = probe.getsockname()[1]
    except OSError as error:
        message = (
            f"Port {wanted} on {_HOST} cannot be used: {error.strerror or 'it is taken'}. "
            "Stop what uses it, or choose another with --port."
        )
        raise InvalidInput(message) from error
    return port


def _write_config(home: Path, account: Account, url: str, api_base: str, concurrency: int) -> None:
    path = home / "config.toml"
    path.touch(mode=_PRIVATE_FILE)
    path.write_text(
        f"""# Made by 'broadcaster demo'. BROADCASTER_HOME={home} lets other commands use it.
mode = "demo"
public_url = "{url}"

[organisation]
name = "{cast.ORGANISATION}"
contact = "redactie@ochtendpost.example"
language = "nl"
zone = "{cast.ZONE}"
storage = "Op deze computer; het is een demonstratie"
retention = "Zolang je op een lijst staat; het bewijs van toestemming zolang ernaar gevraagd kan worden"

[twilio]
account_sid = "{account.sid}"
auth_token = "{account.token}"
api_base = "{api_base}"

[sending]
concurrency = {concurrency}

[log]
level = "WARNING"
format = "console"
""",
        encoding="utf-8",
    )


def _prepare(home: Path) -> Runtime:
    settings = load({}, home)
    make_keys(home, settings.ledger.origin)
    engine = make_engine(settings.database.url).execution_options(**{WRITES: True})
    schema.refuse_foreign(engine)
    schema.upgrade(engine)
    engine.dispose()
    runtime = build_runtime(load({}, home))
    with runtime.transaction() as session:
        known = {item.keyword for item in stored_lists.every(session)}
        for keyword, (name, told) in cast.LISTS.items():
            if keyword not in known:
                lists.add(
                    session,
                    runtime,
                    keyword=keyword,
                    name=name,
                    senders=[cast.WHATSAPP, cast.SMS],
                    zone=settings.organisation.zone,
                    told=told,
                )
    return runtime


def _accounts(runtime: Runtime) -> dict[str, str]:
    """Give the demo's accounts new passwords: they are printed, so none may be kept."""
    passwords = {}
    now = runtime.clock.now()
    with runtime.transaction() as session:
        known = {user.name for user in staff.list_users(session)}
        for name, role in ((EDITOR, Role.EDITOR), (AUDITOR, Role.AUDITOR)):
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            if name in known:
                staff.reset_password(session, name, new=password)
            else:
                staff.add_user(session, name=name, password=password, role=role, now=now)
            passwords[name] = password
    return passwords
