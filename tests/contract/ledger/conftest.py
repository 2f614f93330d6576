"""An independent judge of the ledger, as a process that answers questions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_SOURCE = Path(__file__).parent / "judge.go"
# Where Debian's golang-golang-x-mod-dev puts what it brings.
_GOPATH = Path("/usr/share/gocode")


class Judge:
    """A process that runs Go's implementation of transparent logs.

    Args:
        process: the same.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **question: object) -> dict:
        """Ask one thing; return what it says."""
        return self.ask_all([question])[0]

    def ask_all(self, questions: list[dict]) -> list[dict]:
        """Ask many things; return what it says to each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answers = []
        for question in questions:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answers.append(json.loads(self._process.stdout.readline()))
        return answers


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Iterator[Judge]:
    """Build the judge and let it sit."""
    go = shutil.which("go")
    if go is None or not (_GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("The judge needs Debian's golang-go and golang-golang-x-mod-dev.")
    folder = tmp_path_factory.mktemp("judge")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GOCACHE": str(folder / "cache"),
        "GOPATH": str(_GOPATH),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    command = [go, "build", "-o", str(folder / "judge"), str(_SOURCE)]
    subprocess.run(command, env=environ, check=True, timeout=300)  # noqa: S603 - our own source
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - just built
        [folder / "judge"], stdin=pipe, stdout=pipe, text=True, env=environ
    ) as process:
        yield Judge(process)
        assert process.stdin is not None
        process.stdin.close()
