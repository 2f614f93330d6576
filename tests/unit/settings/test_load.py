"""Settings come from four sources, in one order, and are frozen, complete and silent on secrets."""

from __future__ import annotations

import dataclasses
import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import resources, settings
from broadcaster.settings import Secret, SettingsError, load

SID = "AC" + "0123456789abcdef" * 2
TOKEN = "f00dfacef00dfacef00dfacef00dface"
LIVE = {
    "BROADCASTER_PUBLIC_URL": "https://news.example.org",
    "BROADCASTER_TWILIO__ACCOUNT_SID": SID,
    "BROADCASTER_TWILIO__AUTH_TOKEN": TOKEN,
}
KEY = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def _write(path, text, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_an_empty_environment_gives_the_defaults(home):
    loaded = load({}, home)

    assert loaded.web.port == 8000
    assert loaded.sending.begin_within == 1.0
    assert loaded.organisation.recipients == ("Twilio", "Meta (WhatsApp)")
    assert loaded.database.url == f"sqlite:///{home}/broadcaster.sqlite3"
    assert not loaded.is_demo


def test_defaults_in_the_classes_are_those_of_the_shipped_file(home):
    derived = {"database.url", "ledger.origin"}
    plain, loaded = settings.Settings(home=home), load({}, home)

    different = {
        row.key
        for row in settings.reference()
        if plain.value_of(row.key) != loaded.value_of(row.key)
    }

    assert different == derived


def test_own_file_beats_shipped_file_and_environment_beats_both(home):
    _write(home / "config.toml", "[web]\nport = 8100\nthreads = 4\n")
    environ = {"BROADCASTER_HOME": str(home), "BROADCASTER_WEB__PORT": "8200"}

    web = load(environ).web

    assert (web.port, web.threads, web.host) == (8200, 4, "127.0.0.1")


def test_a_file_named_by_a_variable_beats_the_variable(home, tmp_path):
    path = _write(tmp_path / "token", TOKEN + "\n")
    environ = {
        "BROADCASTER_TWILIO__AUTH_TOKEN": "weaker",
        "BROADCASTER_TWILIO__AUTH_TOKEN_FILE": str(path),
    }

    assert load(environ, home).twilio.auth_token.reveal() == TOKEN


def test_any_key_can_come_from_a_file(home, tmp_path):
    path = _write(tmp_path / "port", "8300\r\n", mode=0o644)

    assert load({"BROADCASTER_WEB__PORT_FILE": str(path)}, home).web.port == 8300


def test_twilios_own_variables_are_accepted_and_weaker_than_ours(home):
    theirs = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": "theirs"}

    assert load(theirs, home).twilio.account_sid == SID
    assert load(theirs | LIVE, home).twilio.auth_token.reveal() == TOKEN


def test_the_demo_does_not_see_a_developers_own_credentials(home):
    environ = {
        "BROADCASTER_MODE": "demo",
        "BROADCASTER_TWILIO__API_BASE": "http://127.0.0.1:8001",
        "TWILIO_ACCOUNT_SID": SID,
        "TWILIO_AUTH_TOKEN": TOKEN,
    }

    twilio = load(environ, home).twilio

    assert (twilio.account_sid, twilio.auth_token) == ("", Secret())


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BROADCASTER_HOME": "/srv/lists"}, "/srv/lists"),
        ({"HOME": "/nowhere/ada"}, "/nowhere/ada/.broadcaster"),
        ({"HOME": "/nowhere/ada", "BROADCASTER_HOME": "~/lists"}, "/nowhere/ada/lists"),
        ({"HOME": "/nowhere/ada", "BROADCASTER_HOME": ""}, "/nowhere/ada/.broadcaster"),
    ],
)
def test_the_home_directory_is_found(environ, expected):
    assert str(load(environ).home) == expected


def test_keys_in_the_home_directory_are_used_where_nothing_else_is_set(home):
    _write(home / "keys" / "master.key", KEY + "\n")
    _write(home / "keys" / "session.key", KEY[::-1] + "\n")

    loaded = load({"BROADCASTER_SECRETS__SESSION_KEY": KEY}, home)

    assert settings.key_bytes(loaded.secrets.master_key) == bytes.fromhex(KEY)
    assert loaded.secrets.session_key.reveal() == KEY


def test_an_empty_key_means_its_derived_value(home):
    loaded = load({"BROADCASTER_PUBLIC_URL": "https://news.example.org:8443/"}, home)

    assert loaded.public_url == "https://news.example.org:8443"
    assert loaded.ledger.origin == "news.example.org:8443/ledger"
    assert loaded.organisation.privacy_url == "https://news.example.org:8443/privacy"


def test_settings_cannot_be_changed(home):
    loaded = load({}, home)

    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.web.port = 1


def test_commands_without_twilio_load_and_live_ones_list_all_that_is_missing(home):
    loaded = load({}, home)

    with pytest.raises(SettingsError) as caught:
        loaded.require_live()

    assert [fault.split()[0] for fault in caught.value.faults] == [
        "public_url",
        "twilio.account_sid",
        "twilio.auth_token",
    ]
    load(LIVE, home).require_live()


def test_loading_for_live_use_lists_what_is_missing_beside_what_is_wrong(home):
    with pytest.raises(SettingsError) as caught:
        load({"BROADCASTER_WEB__PORT": "x", "TWILIO_ACCOUNT_SID": SID}, home, live=True)

    named = {fault.split()[0] for fault in caught.value.faults}
    assert named == {"BROADCASTER_WEB__PORT", "public_url", "twilio.auth_token"}


@given(text=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=12))
def test_a_secret_is_never_printed(text):
    secret = Secret(text)

    printed = f"{secret} {secret!r} {[secret]} {settings.Twilio(auth_token=secret)}"

    assert text not in printed
    assert secret.reveal() == text
    assert secret == Secret(text) != Secret(text + "x")


def test_nothing_that_is_printed_of_settings_holds_a_secret(home):
    environ = LIVE | {
        "BROADCASTER_DATABASE__URL": "postgresql://lists:hunter2secret@db.example.org/lists",
        "BROADCASTER_SECRETS__SESSION_KEY": KEY,
    }
    loaded = load(environ, home)

    printed = repr(loaded) + repr(settings.describe(loaded))

    assert not any(word in printed for word in (TOKEN, KEY, "hunter2secret"))
    assert loaded.database.url.endswith("hunter2secret@db.example.org/lists")


def test_every_value_is_described_with_where_it_comes_from(home, tmp_path):
    own = _write(home / "config.toml", "[web]\nthreads = 4\n")
    file = _write(tmp_path / "token", TOKEN)
    environ = {
        "BROADCASTER_WEB__PORT": "8200",
        "BROADCASTER_TWILIO__AUTH_TOKEN_FILE": str(file),
        "TWILIO_ACCOUNT_SID": SID,
    }

    rows = {row.key: row for row in settings.describe(load(environ, home))}

    assert (rows["web.port"].value, rows["web.port"].origin) == (
        "8200",
        "environment BROADCASTER_WEB__PORT",
    )
    assert (rows["web.threads"].value, rows["web.threads"].origin) == ("4", str(own))
    assert (rows["twilio.auth_token"].value, rows["twilio.auth_token"].origin) == (
        "•••",
        f"file {file}",
    )
    assert rows["twilio.account_sid"].origin == "environment TWILIO_ACCOUNT_SID"
    assert rows["web.host"].origin.endswith("base.toml")
    assert rows["home"].value == str(home)
    assert rows.keys() == {"home"} | {row.key for row in settings.reference()}


def test_the_shipped_file_is_what_the_declarations_say():
    """Write it anew with: broadcaster config reference --toml > config/base.toml."""
    shipped = (resources.directory("config") / "base.toml").read_text("utf-8")

    assert shipped == settings.base_toml()
    assert tomllib.loads(shipped)["web"] == {
        "host": "127.0.0.1",
        "port": 8000,
        "threads": 16,
        "proxy_hops": 0,
    }


def test_every_setting_is_documented_in_full():
    for row in settings.reference():
        assert row.about.endswith(".")
        assert row.kind
        assert row.variable == "BROADCASTER_" + row.key.upper().replace(".", "__")


@pytest.mark.parametrize("row", settings.reference(), ids=lambda row: row.key)
def test_every_default_is_accepted_as_a_variable(home, row):
    value = tomllib.loads(f"value = {row.default}")["value"]
    written = ";".join(value) if isinstance(value, list) else str(value)

    loaded = load({row.variable: written}, home)

    assert loaded.value_of(row.key) == load({}, home).value_of(row.key)


def test_the_process_own_environment_is_read_when_none_is_given(home, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("BROADCASTER_", "TWILIO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADCASTER_WEB__PORT", "8765")

    assert load(home=home).web.port == 8765
