"""The stage of a round: a home, a database, the pretended provider, and real processes."""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.crowd import Line
from broadcaster.cli.faults.disk import Disk, SizeLimit, SmallDisk
from broadcaster.cli.faults.installation import (
    KEYWORD,
    SMS,
    WHATSAPP,
    Account,
    Place,
    installed,
    surroundings,
)
from broadcaster.cli.faults.plan import Kind, Round
from broadcaster.cli.faults.ports import HOST, free_port
from broadcaster.cli.faults.program import Program
from broadcaster.runtime import Runtime
from broadcaster.services import bulletins
from broadcaster.storage import lists

_MEGABYTES = 48


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a round plays on.

    Args:
        home: the product's home directory, with the words of all processes.
        runtime: our own view of the product's database.
        line: the door to the provider.
        journal: the file in which the provider wrote what it accepted.
        products: the product's processes; the first one answers the web.
        cluster: the database server, if it is one that we may kill.
        disk: where the database's files are.
        texts: the bulletins' texts by their number, each of them unique.
    """

    home: Path
    runtime: Runtime
    line: Line
    journal: Path
    products: list[Program]
    cluster: Cluster | None
    disk: Disk
    texts: dict[int, str] = field(default_factory=dict)

    def schedule(self, text: str, moment: datetime) -> int:
        """Let an editor schedule a bulletin, as the desk does; return its number."""
        now = self.runtime.clock.now()
        with self.runtime.transaction() as session:
            item = lists.by_keyword(session, KEYWORD)
            made = bulletins.draft(session, list_id=item.id, text=text, author_id=1, now=now)
            bulletins.schedule(
                session, made.id, version=made.version, starts_at=moment, zone=item.zone, now=now
            )
            number = made.id
        self.texts[number] = text
        return number


def set_up(
    stack: ExitStack, home: Path, plan: Round, *, cluster: Cluster | None, tree: Path | None = None
) -> Stage:
    """Prepare everything and start the provider; leaving the stack stops what runs by then.

    Args:
        stack: takes what must be stopped.
        home: a directory that is not there yet.
        plan: the round.
        cluster: the database server, where the round is on one.
        tree: the source tree that the product runs from; this very program's if left out.
    """
    home.mkdir(parents=True)
    place = Place(home=home, port=free_port(), account=Account.new(), tree=tree)
    sandbox = _sandbox(place)
    stack.callback(sandbox.end)
    sandbox.start()
    provider = sandbox.wait_until_ready()
    disk, url = _database(stack, home, cluster, plan)
    environ = surroundings(place, plan, provider=provider, database=url)
    runtime = installed(home, environ)
    stack.callback(runtime.database.dispose)
    products = _products(place, plan, environ)
    for product in products:
        stack.callback(product.end)
    return Stage(
        home=home,
        runtime=runtime,
        line=Line(provider, {True: WHATSAPP, False: SMS}),
        journal=place.journal,
        products=products,
        cluster=cluster,
        disk=disk or SizeLimit(lambda: [one.pid for one in products if one.is_running]),
    )


def _sandbox(place: Place) -> Program:
    account = place.account
    command = [
        *(sys.executable, "-m", "broadcaster.sandbox", "--port", "0"),
        *("--account-sid", account.sid, "--auth-token", account.token),
        *("--sender", WHATSAPP, "--sender", SMS),
        *("--webhook-base", f"http://{HOST}:{place.port}", "--journal", str(place.journal)),
    ]
    return Program("sandbox", "Sandbox on", command, environ=place.of_ours(), directory=place.home)


def _products(place: Place, plan: Round, environ: dict[str, str]) -> list[Program]:
    """Describe the product's processes; the first one answers the web, and may send as well."""
    run = (sys.executable, "-m", "broadcaster")
    web = (*run, "serve", "--port", str(place.port))
    workers = [
        Program(
            f"worker-{number}",
            "A worker runs",
            (*run, "worker"),
            environ=environ,
            directory=place.home,
        )
        for number in range(1, plan.setup.processes)
    ]
    serve = Program("serve", "Broadcaster listens on", web, environ=environ, directory=place.home)
    return [serve, *workers]


def _database(
    stack: ExitStack, home: Path, cluster: Cluster | None, plan: Round
) -> tuple[Disk | None, str]:
    """Make an empty database; return the disk it is on, if that can be filled, and its URL."""
    if cluster is not None:
        url = cluster.create()
        stack.callback(cluster.drop, url)
        return cluster.disk, url
    directory = home / "disk"
    directory.mkdir()
    fills = any(one.kind is Kind.FULL_DISK for one in plan.disturbances)
    disk = _mounted(stack, directory) if fills else None
    return disk, f"sqlite:///{directory}/broadcaster.sqlite3"


def _mounted(stack: ExitStack, directory: Path) -> Disk | None:
    disk = SmallDisk(directory, megabytes=_MEGABYTES)
    try:
        disk.mount()
    except OSError:
        return None
    stack.callback(_take_off, disk)
    return disk


def _take_off(disk: SmallDisk) -> None:
    """Unmount a disk, and leave what was on it where it was."""
    disk.empty()
    kept = disk.directory.with_name("kept")
    shutil.copytree(disk.directory, kept)
    disk.unmount()
    disk.directory.rmdir()
    kept.rename(disk.directory)
