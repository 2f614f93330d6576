"""Run a command and turn whatever happens into a message and an exit code.

0 done · 1 a verification failed · 2 wrong use, input or settings · 3 a database that is not ours ·
130 interrupted · 141 nobody reads the output any more
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

import click

from broadcaster.cli.output import complain
from broadcaster.cli.root import root
from broadcaster.core.errors import BroadcasterError, DatabaseMismatch
from broadcaster.ledger.errors import LedgerError

FAILED = 1
MISUSED = 2
FOREIGN_DATABASE = 3
INTERRUPTED = 130
UNREAD = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``broadcaster`` and return its exit code.

    Args:
        arguments: what stands behind the command's name; the process's own if left out.
    """
    # Whatever is written from here on is nobody else's on this machine.
    os.umask(0o077)
    _print_anything()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return UNREAD
    except (KeyboardInterrupt, click.Abort):
        complain("Interrupted.")
        return INTERRUPTED
    except OSError as error:
        complain(f"Error: {error}")
        return MISUSED
    return code


def _run(arguments: list[str]) -> int:
    try:
        _check_text(arguments)
        with root.make_context("broadcaster", arguments) as context:
            root.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        _explain(error)
        return MISUSED
    except click.ClickException as error:
        complain(f"Error: {error.format_message()}")
        return MISUSED
    except BroadcasterError as error:
        complain(f"Error: {error}")
        return FOREIGN_DATABASE if isinstance(error, DatabaseMismatch) else MISUSED
    except LedgerError as error:
        complain(f"Error: {error}")
        return FAILED
    return 0


def _check_text(arguments: list[str]) -> None:
    # Bytes that are not UTF-8 arrive as lone surrogates, which no file or page can hold.
    if any(one == "\x00" or "\ud800" <= one <= "\udfff" for one in "".join(arguments)):
        message = "An argument is not valid UTF-8, or holds a zero byte; type it again."
        raise click.UsageError(message)


def _explain(error: click.UsageError) -> None:
    written = io.StringIO()
    error.show(written)
    complain(written.getvalue().rstrip())


def _print_anything() -> None:
    """Let a terminal that lacks a letter show its code instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence() -> None:
    """Let Python's own last flush go nowhere, so that it does not complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
