"""A small witness after C2SP tlog-witness: it signs a checkpoint if it extends what it signed before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from broadcaster.ledger.checkpoint import Checkpoint, open_checkpoint
from broadcaster.ledger.cosignature import cosign, parse_request, witness_key
from broadcaster.ledger.errors import LedgerError, MalformedRequest, NoteError
from broadcaster.ledger.keys import NoteKey, NoteSigner
from broadcaster.ledger.merkle import EMPTY_ROOT
from broadcaster.ledger.proof import verify_consistency


@dataclass
class SmallWitness:
    """What a witness knows, and how it answers.

    Args:
        signer: its key.
        log: the one log that it knows.
        seconds: what its clock says.
    """

    signer: NoteSigner
    log: NoteKey
    seconds: int = 1_790_000_000
    known: Checkpoint | None = None
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    @property
    def setting(self) -> str:
        """How the settings name it."""
        return f"{self.url} {witness_key(self.signer).to_text()}"

    def answer(self, body: bytes) -> tuple[int, str, bytes]:
        """Answer a request: status, type, body."""
        self.asked.append(body)
        try:
            request = parse_request(body)
        except MalformedRequest:
            return 400, "text/plain", b""
        try:
            head = open_checkpoint(request.checkpoint, self.log)
        except NoteError:
            return 403, "text/plain", b""
        if request.old > head.size:
            return 400, "text/plain", b""
        known = self.known or Checkpoint(origin=head.origin, size=0, root=EMPTY_ROOT)
        if request.old != known.size or (head.size == known.size and head.root != known.root):
            return 409, "text/x.tlog.size", f"{known.size}\n".encode()
        if known.size:
            try:
                verify_consistency(known.size, head.size, known.root, head.root, request.proof)
            except LedgerError:
                return 422, "text/plain", b""
        self.known = head
        return 200, "text/plain", cosign(head.to_text(), self.signer, self.seconds)


@contextmanager
def running(witness: SmallWitness) -> Iterator[SmallWitness]:
    """Let a witness answer on this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, data = (404, "text/plain", b"")
            if self.path == "/w1/add-checkpoint":
                status, kind, data = witness.answer(body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        witness.url = f"http://127.0.0.1:{server.server_address[1]}/w1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield witness
        server.shutdown()
        thread.join()
