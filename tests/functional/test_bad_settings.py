"""Settings that cannot be right stop the program before it does anything, and are named.

The cases are the config rows of the list of bad inputs, by their numbers there.
"""

from __future__ import annotations

import pytest

from broadcaster.cli import main

RIGHT = {
    "BROADCASTER_PUBLIC_URL": "https://news.example.org",
    "BROADCASTER_TWILIO__ACCOUNT_SID": "AC" + "0123456789abcdef" * 2,
    "BROADCASTER_TWILIO__AUTH_TOKEN": "0123456789abcdef" * 2,
}
NETWORK = "https://news.example.org"
CASES = [
    (1, "SECRETS__SESSION_KEY", "dev"),
    (1, "SECRETS__SESSION_KEY", "changeme"),
    (1, "SECRETS__SESSION_KEY", "12345678"),
    (1, "SECRETS__MASTER_KEY", "0" * 63),
    (3, "TWILIO__ACCOUNT_SID", ""),
    (3, "TWILIO__ACCOUNT_SID", "AC123"),
    (3, "TWILIO__ACCOUNT_SID", f"SK{'0' * 32}"),
    (3, "TWILIO__AUTH_TOKEN", ""),
    (3, "TWILIO__API_BASE", "http://api.twilio.example"),
    (5, "PUBLIC_URL", ""),
    (5, "PUBLIC_URL", "http://news.example.org"),
    (5, "PUBLIC_URL", f"{NETWORK}/path"),
    (5, "PUBLIC_URL", f"{NETWORK}?query"),
    (5, "PUBLIC_URL", f"{NETWORK}#fragment"),
    (5, "PUBLIC_URL", "news.example.org"),
    (6, "PUBLIC_URL", "https://news_desk.example.org"),
    (11, "DATABASE__URL", "sqlite:///relative.sqlite3"),
    (11, "DATABASE__URL", "mysql://root@127.0.0.1/x"),
    (11, "DATABASE__URL", "nonsense"),
    (18, "ORGANISATION__ZONE", "EST"),
    (18, "ORGANISATION__ZONE", "Mars/Base"),
    (18, "ORGANISATION__ZONE", ""),
    (20, "SENDING__CONCURRENCY", "0"),
    (20, "SENDING__CONCURRENCY", "-1"),
    (20, "SENDING__CONCURRENCY", "fast"),
    (20, "SENDING__CONCURRENCY", "1e9"),
    (21, "SENDING__OPT_OUT_WAIT", "0.5"),
    (30, "SESSION__IDLE_MINUTES", "0"),
    (30, "SESSION__ABSOLUTE_HOURS", "87600"),
    (33, "LOG__LEVEL", "LOUD"),
    (38, "SESION__IDLE_MINUTES", "30"),
    (38, "WEB__PRT", "8000"),
    (46, "WEB__PORT", "70000"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}={case[2]}")
def test_a_bad_setting_is_named_and_nothing_starts(monkeypatch, capsys, tmp_path, case):
    _row, name, value = case
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))
    for right, given in (RIGHT | {f"BROADCASTER_{name}": value}).items():
        monkeypatch.setenv(right, given)

    assert main(["serve"]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"BROADCASTER_{name}" in printed.err
    assert "Traceback" not in printed.err
    if name.startswith("SECRETS") or name.endswith("TOKEN"):
        assert not value or value not in printed.err
    assert not (tmp_path / "home").exists()


def test_40_a_secret_that_everybody_may_read_is_refused(monkeypatch, capsys, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("0123456789abcdef" * 2)
    secret.chmod(0o644)
    monkeypatch.setenv("BROADCASTER_HOME", str(tmp_path / "home"))
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BROADCASTER_TWILIO__AUTH_TOKEN_FILE", str(secret))

    assert main(["config", "check"]) == 2
    assert "chmod 600" in capsys.readouterr().err

    secret.chmod(0o600)
    assert main(["config", "check"]) == 0
