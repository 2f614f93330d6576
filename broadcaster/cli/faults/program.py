"""A real process that may be killed, stood still, and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Whatever ends us, what we started must not live on: it would send for ever.
_LEASH = ("setpriv", "--pdeathsig", "KILL")
_PATIENCE = 40.0
_LOOK_AGAIN = 0.05


class ProgramError(RuntimeError):
    """A process did not start or did not end; the text says which and where its words are."""


class Program:
    """One process of the stage, with all that it starts itself.

    Args:
        name: what reports call it.
        ready: how the line begins by which it says that it has started.
        command: what is run.
        environ: its whole environment; nothing of ours leaks into it.
        directory: where it runs, and where the file with its words is.

    Attributes:
        started: when it was started last, on the monotonic clock.
    """

    def __init__(
        self,
        name: str,
        ready: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        directory: Path,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._ready = ready
        self._command = list(command)
        self._environ = dict(environ)
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._said_before = 0
        self.started = 0.0

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Start it; ``prefix`` is a program that runs it, such as strace."""
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            self.started = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                [*_leash(), *prefix, *_leash(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
                cwd=self._directory,
                # Its own group, so that a signal reaches it and whoever traces it, and nobody else.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The number of the process, or of the program that runs it."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen

    def kill(self) -> None:
        """End it at once, as a power cut does: nothing is tidied up."""
        self._signal(signal.SIGKILL)
        self._wait()
        self._frozen = False

    def freeze(self) -> None:
        """Let it stand still, without knowing."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self._signal(signal.SIGCONT)
        self._frozen = False

    def end(self) -> None:
        """Ask it to end, and insist after a while; does nothing when it has ended."""
        if not self.is_running:
            return
        if self._frozen:
            self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self._wait()
        except ProgramError:
            self.kill()

    def wait_until_ready(self) -> str:
        """Return what follows the words by which it says that it has started.

        Raises:
            ProgramError: it ended, or did not say so in time.
        """
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self.is_running:
            for line in self._said():
                if line.startswith(self._ready):
                    return line.removeprefix(self._ready).strip()
            time.sleep(_LOOK_AGAIN)
        message = f"{self.name} did not start; see {self.log}."
        raise ProgramError(message)

    @property
    def got_ready(self) -> bool:
        """Whether it has said that it has started, since it was started last."""
        return any(line.startswith(self._ready) for line in self._said())

    def _said(self) -> list[str]:
        """Return the lines it has said since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().decode(errors="replace").splitlines()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _wait(self) -> None:
        try:
            self._running().wait(_PATIENCE)
        except subprocess.TimeoutExpired as error:
            message = f"{self.name} did not end within {_PATIENCE:.0f} seconds; see {self.log}."
            raise ProgramError(message) from error

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            message = f"{self.name} was never started."
            raise ProgramError(message)
        return self._process


def _leash() -> Sequence[str]:
    """Return the program that lets another one end with its parent, where there is one."""
    return _LEASH if shutil.which(_LEASH[0]) else ()
