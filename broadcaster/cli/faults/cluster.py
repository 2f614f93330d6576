"""A PostgreSQL server of our own, which may be killed and whose disk may be filled."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa

from broadcaster.cli.faults.disk import SmallDisk
from broadcaster.cli.faults.machine import Machine
from broadcaster.cli.faults.ports import free_port
from broadcaster.cli.faults.program import ProgramError

_MEGABYTES = 256
_PATIENCE = 60
_OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200"
    " -c shared_buffers=32MB -c min_wal_size=4MB -c max_wal_size=32MB"
)


class Cluster:
    """One server for all rounds; each round has a database of its own.

    Args:
        machine: where PostgreSQL's programs are, and whom they run as.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._port = free_port()
        # The server's own user must be able to reach it, so it is under nobody else's directory.
        self._place = Path(tempfile.mkdtemp(prefix="broadcaster-postgresql-"))
        self._data = self._place / "data"
        self._log = self._place / "server.log"
        self.disk: SmallDisk | None = None

    def start(self) -> None:
        """Make the server's files, on a small disk if one can be mounted, and start it."""
        user = self._machine.server_user
        if user is not None:
            shutil.chown(self._place, user)
        self._data.mkdir()
        if self._machine.mounts:
            self.disk = SmallDisk(self._data, megabytes=_MEGABYTES, owner=user)
            self.disk.mount()
        elif user is not None:
            shutil.chown(self._data, user)
        where = self._data / "cluster"
        self._run(
            *("initdb", "--pgdata", str(where), "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--no-sync"),
        )
        self._data = where
        self._begin()

    def kill(self) -> None:
        """Let the server die at once, without a word to anybody."""
        self._control("stop", "--mode=immediate", check=False)

    def ensure(self) -> None:
        """Start it again if it was killed, or has died by itself, as it may on a full disk."""
        if self._control("status", check=False):
            self._begin()

    def close(self) -> None:
        """Stop the server and take its files away."""
        self.kill()
        if self.disk is not None:
            self.disk.unmount()
        shutil.rmtree(self._place, ignore_errors=True)

    def create(self) -> str:
        """Make an empty database; return its URL."""
        name = f"round_{secrets.token_hex(6)}"
        engine = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return self._url(name)

    def drop(self, url: str) -> None:
        """Take a database away, whoever still uses it."""
        self.ensure()
        name = sa.engine.make_url(url).database
        engine = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        engine.dispose()

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{database}"

    def _begin(self) -> None:
        self._control("start", "--wait", "-l", str(self._log), "-o", f"-p {self._port} {_OPTIONS}")

    def _control(self, action: str, *arguments: str, check: bool = True) -> int:
        return self._run("pg_ctl", action, "--pgdata", str(self._data), *arguments, check=check)

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        directory, user = self._machine.postgresql, self._machine.server_user
        found = str(directory / program) if directory else program
        prefix = [shutil.which("runuser") or "runuser", "-u", user, "--"] if user else []
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            [*prefix, found, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE,
            check=False,
            cwd="/",
        )
        if check and done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            message = f"{program} {arguments[0]} failed: {said}"
            raise ProgramError(message)
        return done.returncode
