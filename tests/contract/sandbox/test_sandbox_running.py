"""Starting and stopping: on loopback, as a thread or as a command, with plain words on failure."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests

from broadcaster.sandbox.__main__ import main
from broadcaster.sandbox.config import SandboxConfig
from broadcaster.sandbox.errors import InvalidConfig, SandboxError
from broadcaster.sandbox.server import SandboxServer

ACCOUNT = "AC" + "0123456789abcdef" * 2
SMS = "+15550100000"
COMMAND = ["--account-sid", ACCOUNT, "--auth-token", "t", "--sender", SMS, "--port", "0"]


def config(**settings):
    usual = {"account_sid": ACCOUNT, "auth_token": "t", "senders": (SMS,)}
    return SandboxConfig(**(usual | settings))


def test_a_server_answers_while_it_runs_and_not_after():
    with SandboxServer(config()) as server:
        url = server.url
        assert requests.get(f"{url}/sandbox/state", timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/sandbox/state", timeout=10)
    with pytest.raises(SandboxError, match="not running"):
        server.journal()
    server.stop()


def test_a_server_stops_while_somebody_listens_and_waits():
    with SandboxServer(config()) as server:
        stream = requests.get(f"{server.url}/sandbox/events", stream=True, timeout=10)
    stream.close()
    assert server._thread is None


def test_a_port_that_is_taken_is_said_plainly():
    with (
        SandboxServer(config()) as server,
        pytest.raises(InvalidConfig, match="cannot listen on http"),
    ):
        SandboxServer(config(port=server.port)).start()


def test_a_journal_that_cannot_be_written_is_said_plainly(tmp_path):
    with pytest.raises(InvalidConfig, match="journal cannot be written"):
        SandboxServer(config(journal_path=tmp_path / "missing" / "journal")).start()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--host", "0.0.0.0"], "loopback only"),  # noqa: S104 - that it is refused is the point
        (["--phone", "Anna"], "name=number"),
        (["--phone", "Anna=5"], "A phone's number"),
    ],
)
def test_a_command_that_cannot_work_ends_with_2(capsys, more, words):
    assert main([*COMMAND, *more]) == 2
    assert words in capsys.readouterr().err


def test_the_command_runs_until_it_is_interrupted():
    command = [
        sys.executable,
        "-m",
        "broadcaster.sandbox",
        *COMMAND,
        "--phone",
        "Anna=+15550100001",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own command
        line = process.stdout.readline()
        url = line.removeprefix("Sandbox on ").strip()
        assert "Anna" in requests.get(url, timeout=10).text
        process.send_signal(2)
        assert process.wait(20) == 0
