"""The web server: waitress, with limits that a few slow clients cannot use up."""

from __future__ import annotations

import socket
import threading
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from broadcaster.core.errors import InvalidInput

_CONNECTIONS = 1000
_SILENCE = 20


class WebServer:
    """Serves an app until it is stopped.

    Args:
        app: what answers.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        threads: requests answered at once.

    Raises:
        InvalidInput: the port is taken, or the address is none.
    """

    def __init__(self, app: Flask, *, host: str, port: int, threads: int) -> None:
        try:
            listening = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
            )
        except OSError as error:
            message = (
                f"Port {port} on {host} cannot be used: {error.strerror or 'it is taken'}. "
                "Stop what uses it, or choose another with --port or --host."
            )
            raise InvalidInput(message) from error
        self._connections: dict[int, Any] = {}
        self._server: Any = create_server(
            app,
            map=self._connections,
            sockets=[listening],
            threads=threads,
            connection_limit=_CONNECTIONS,
            channel_timeout=_SILENCE,
            max_request_header_size=16 * 1024,
            max_request_body_size=1024 * 1024,
            ident="",
            clear_untrusted_proxy_headers=True,
        )
        port = listening.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until the process is told to stop; then return, whatever it was told by."""
        self._server.run()

    def start(self) -> None:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread.

        Its own loop closes what it polls: from another thread that would be pulled from under it.
        """
        # Whoever answers wakes the loop at the end, so nobody may answer any more when it closes.
        self._server.task_dispatcher.shutdown()
        if self._thread is None:
            self._close()
            return
        trigger = self._server.trigger
        # Awake for another reason, the loop would close the trigger before we have pulled it.
        with trigger.lock:
            trigger.thunks.append(self._close)
            trigger.pull_trigger()
        self._thread.join(timeout=10)

    def _close(self) -> None:
        wasyncore.close_all(self._connections)
