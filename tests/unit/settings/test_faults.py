"""Every fault is found at once, named as it was set, with what is wrong and what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import settings
from broadcaster.settings import SettingsError, load
from broadcaster.settings.filesystem import network_kind

HEX = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210"


def _faults(environ, home):
    with pytest.raises(SettingsError) as caught:
        load(environ, home)
    return caught.value.faults


BAD = [
    ("PUBLIC_URL", "news.example.org", "not a full URL"),
    ("PUBLIC_URL", "ftp://news.example.org", "not a full URL"),
    ("PUBLIC_URL", "http://news.example.org", "https://"),
    ("PUBLIC_URL", "https://news.example.org/path", "path, query or fragment"),
    ("PUBLIC_URL", "https://news.example.org?x=1", "path, query or fragment"),
    ("PUBLIC_URL", "https://news.example.org/#", "path, query or fragment"),
    ("PUBLIC_URL", "https://my_news.example.org", "underscore"),
    ("PUBLIC_URL", "https://user:pass@news.example.org", "name or password"),
    ("PUBLIC_URL", "https://news.example.org:99999", "no URL"),
    ("PUBLIC_URL", "https://[::1", "no URL"),
    ("PUBLIC_URL", "https://ne ws.example.org", "blank"),
    ("PUBLIC_URL", "https://nieuws\u00e9.example.org", "punycode"),
    ("PUBLIC_URL", "https://-x.example.org", "no valid host"),
    ("PUBLIC_URL", "https://" + "a" * 300 + ".org", "no valid host"),
    ("TWILIO__ACCOUNT_SID", "AC123", "AC and 32"),
    ("TWILIO__ACCOUNT_SID", "AC" + "A" * 32, "AC and 32"),
    ("TWILIO__ACCOUNT_SID", "SK" + "a" * 32, "AC and 32"),
    ("TWILIO__AUTH_TOKEN", "two words", "blank"),
    ("TWILIO__API_BASE", "http://api.example.org", "https://"),
    ("TWILIO__TIMEOUT", "0", "out of bounds"),
    ("TWILIO__TIMEOUT", "31", "out of bounds"),
    ("TWILIO__TIMEOUT", "nan", "not a number"),
    ("DATABASE__URL", "sqlite:///relative.db", "no absolute path"),
    ("DATABASE__URL", "sqlite://", "no absolute path"),
    ("DATABASE__URL", "sqlite:///:memory:", "no absolute path"),
    ("DATABASE__URL", "sqlite:////x.db?mode=ro", "options"),
    ("DATABASE__URL", "mysql://db/lists", "only sqlite"),
    ("DATABASE__URL", "lists.db", "only sqlite"),
    ("DATABASE__URL", "postgresql://db", "names no database"),
    ("DATABASE__URL", "postgresql://db:port/lists", "no URL"),
    ("DATABASE__POOL_SIZE", "0", "out of bounds"),
    ("SECRETS__SESSION_KEY", "dev", "shorter than 32"),
    ("SECRETS__SESSION_KEY", "changeme", "shorter than 32"),
    ("SECRETS__SESSION_KEY", "changeme-" * 5, "weak"),
    ("SECRETS__SESSION_KEY", "abcabcab" * 8, "weak"),
    ("SECRETS__MASTER_KEY", "dev", "32 bytes"),
    ("SECRETS__MASTER_KEY", "0" * 64, "no random key"),
    ("SECRETS__MASTER_KEY", HEX[:-2], "32 bytes"),
    ("SECRETS__LEDGER_KEY", "PRIVATE", "signer key"),
    ("ORGANISATION__ZONE", "EST", "IANA"),
    ("ORGANISATION__ZONE", "", "IANA"),
    ("ORGANISATION__ZONE", "Mars/Olympus", "IANA"),
    ("ORGANISATION__ZONE", "../../etc/passwd", "IANA"),
    ("ORGANISATION__LANGUAGE", "tlh", "nl, en, de, fr, es"),
    ("ORGANISATION__NAME", "  ", "empty"),
    ("ORGANISATION__NAME", "two\nlines", "one line"),
    ("ORGANISATION__NAME", "\udcff", "UTF-8"),
    ("ORGANISATION__NAME", "x" * 2001, "longer than"),
    ("ORGANISATION__CONTACT", "nobody", "e-mail"),
    ("ORGANISATION__PHONE", "call us", "telephone"),
    ("ORGANISATION__PRIVACY_URL", "/privacy", "not a full URL"),
    ("SENDING__CONCURRENCY", "0", "out of bounds"),
    ("SENDING__CONCURRENCY", "-1", "out of bounds"),
    ("SENDING__CONCURRENCY", "fast", "whole number"),
    ("SENDING__CONCURRENCY", "1e9", "whole number"),
    ("SENDING__CONCURRENCY", "1.9", "whole number"),
    ("SENDING__CONCURRENCY", "\uff11\uff12", "whole number"),
    ("SENDING__CONCURRENCY", "1001", "out of bounds"),
    ("SENDING__LEASE", "1.6", "out of bounds"),
    ("SENDING__BEGIN_WITHIN", "1.6", "out of bounds"),
    ("SENDING__BEGIN_WITHIN", "nan", "seconds"),
    ("SENDING__WHATSAPP_RATE", "-1", "out of bounds"),
    ("SENDING__WHATSAPP_RATE", "inf", "a number"),
    ("SENDING__SMS_RATE", "fast", "a number"),
    ("SENDING__WHATSAPP_DAILY_LIMIT", "-1", "out of bounds"),
    ("SENDING__WHATSAPP_DAILY_LIMIT", "1.5", "whole number"),
    ("SENDING__SETTLE", "0", "out of bounds"),
    ("SENDING__ON_UNCERTAIN", "again", "look_up, hold"),
    ("SENDING__EXPIRES_MINUTES", "601", "out of bounds"),
    ("SENDING__FAILURE_PERCENT", "101", "out of bounds"),
    ("WEB__PORT", "", "whole number"),
    ("WEB__PORT", "65536", "out of bounds"),
    ("WEB__HOST", "a b", "host"),
    ("SESSION__IDLE_MINUTES", "0", "out of bounds"),
    ("SESSION__ABSOLUTE_HOURS", "87600", "out of bounds"),
    ("LOG__LEVEL", "LOUD", "DEBUG, INFO"),
    ("LOG__FORMAT", "xml", "json, console"),
    ("MODE", "test", "live, demo"),
    ("ENGINE", "celery", "embedded, distributed"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD)
def test_a_bad_value_is_refused_by_name(tmp_path, key, value, expected):
    (fault,) = _faults({f"BROADCASTER_{key}": value}, tmp_path)

    assert fault.startswith(f"BROADCASTER_{key} ")
    assert expected in fault


GOOD = [
    ("PUBLIC_URL", "https://News.Example.org/", "https://news.example.org"),
    ("PUBLIC_URL", "https://news.example.org:8443", "https://news.example.org:8443"),
    ("PUBLIC_URL", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("PUBLIC_URL", "http://localhost", "http://localhost"),
    ("PUBLIC_URL", "http://[::1]:8000/", "http://[::1]:8000"),
    ("TWILIO__API_BASE", "http://127.0.0.1:4010", "http://127.0.0.1:4010"),
    ("DATABASE__URL", "sqlite:////srv/data.db", "sqlite:////srv/data.db"),
    ("DATABASE__URL", "postgresql://u:p@h:1/d", "postgresql+psycopg://u:p@h:1/d"),
    ("DATABASE__URL", "postgres:///lists", "postgresql+psycopg:///lists"),
    ("DATABASE__URL", "postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
    ("ORGANISATION__RECIPIENTS", "Twilio; Meta ;", ("Twilio", "Meta")),
    ("ORGANISATION__ZONE", "UTC", "UTC"),
    ("ORGANISATION__PRIVACY_URL", "https://x.org/p?l=nl#a", "https://x.org/p?l=nl#a"),
    ("SENDING__LEASE", "2.5", 2.5),
    ("SENDING__BEGIN_WITHIN", "0.5", 0.5),
    ("SENDING__WHATSAPP_RATE", "0", 0.0),
    ("SENDING__SMS_RATE", "0.5", 0.5),
    ("SENDING__WHATSAPP_DAILY_LIMIT", "0", 0),
    ("SENDING__ON_UNCERTAIN", "hold", "hold"),
    ("SENDING__FAILURE_PERCENT", "0", 0),
    ("LOG__LEVEL", "DEBUG", "DEBUG"),
    ("ENGINE", "embedded", "embedded"),
]


@pytest.mark.parametrize(("key", "value", "expected"), GOOD)
def test_a_good_value_is_accepted_in_its_one_form(tmp_path, key, value, expected):
    loaded = load({f"BROADCASTER_{key}": value}, tmp_path)

    assert loaded.value_of(key.lower().replace("__", ".")) == expected


def test_a_master_key_may_be_hexadecimal_or_base64(tmp_path):
    written = ["ABEiM0RVZneImaq7zN3u/wEjRWeJq83v/ty6mHZUMhA=", HEX, HEX.upper()]

    read = [load({"BROADCASTER_SECRETS__MASTER_KEY": one}, tmp_path).secrets for one in written]

    assert {settings.key_bytes(one.master_key) for one in read} == {bytes.fromhex(HEX)}


def test_all_faults_are_listed_at_once(tmp_path):
    chosen = {f"BROADCASTER_{key}": value for key, value, _ in BAD}

    faults = _faults(chosen | {"BROADCASTER_SESION_LIFETIME": "1"}, tmp_path)

    named = [fault.split(" ")[0] for fault in faults]
    assert sorted(named) == sorted([*chosen, "BROADCASTER_SESION_LIFETIME"])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("BROADCASTER_SESION__IDLE_MINUTES", "BROADCASTER_SESSION__IDLE_MINUTES"),
        ("BROADCASTER_TWILIO_AUTH_TOKEN", "BROADCASTER_TWILIO__AUTH_TOKEN"),
        ("BROADCASTER_PUBLICURL", "BROADCASTER_PUBLIC_URL"),
        ("BROADCASTER_HOMES", "BROADCASTER_HOME"),
        ("BROADCASTER_twilio__account_sid", "config reference"),
        ("BROADCASTER_QQQ", "config reference"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(tmp_path, name, nearest):
    (fault,) = _faults({name: "never-repeat-this"}, tmp_path)

    assert fault.startswith(f"{name} is no setting")
    assert nearest in fault
    assert "never-repeat-this" not in fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web]\nprot = 1", "web.prot in {path} is no setting; did you mean web.port?"),
        ("[wbe]\nport = 1", "wbe in {path} is no setting; did you mean web?"),
        ("prot = 1", "prot in {path} is no setting"),
        ("web = 1", "web in {path} must be a table"),
        ("[web]\nport = true", "web.port in {path} is True, not a whole number"),
        ("[web]\nport = 1.9", "web.port in {path} is 1.9, not a whole number"),
        ("[web]\nport = []", "web.port in {path} is [], not a whole number"),
        ("[web.port]\nx = 1", "web.port in {path} is {{'x': 1}}, not a whole number"),
        ("[log]\nlevel = 2026-01-01", "log.level in {path} is datetime.date(2026, 1, 1)"),
        ("[organisation]\nname = 5", "organisation.name in {path} is 5, not a text"),
        ("[organisation]\nrecipients = [1]", "organisation.recipients in {path} is 1, not a text"),
        ("[organisation]\nrecipients = 1", "organisation.recipients in {path} is 1, not a list"),
        ("[twilio]\ntimeout = inf", "twilio.timeout in {path} is inf, not a number"),
        ("[twilio]\nauth_token = 5", "twilio.auth_token in {path} is not a text"),
        ("[web", "{path} is not valid TOML"),
        ('a = 1\n"a" = 2', "{path} is not valid TOML"),
    ],
)
def test_a_fault_in_the_own_file_is_named_with_the_file(tmp_path, text, expected):
    path = tmp_path / "config.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)

    (fault,) = _faults({}, tmp_path)

    assert fault.startswith(expected.format(path=path))


def test_a_file_that_begins_with_a_byte_order_mark_and_has_dos_lines_is_read(tmp_path):
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[web]\r\nport = 8100\r\n")

    assert load({}, tmp_path).web.port == 8100


@pytest.mark.parametrize(
    ("content", "expected"), [(b"\xff\xfe[", "not UTF-8"), (b"#" * (1 << 20) + b"#", "1 MB")]
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, expected):
    (tmp_path / "config.toml").write_bytes(content)

    (fault,) = _faults({}, tmp_path)

    assert expected in fault


def test_a_secret_in_a_file_that_everyone_can_read_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[twilio]\nauth_token = "do-not-repeat"', "utf-8")
    path.chmod(0o644)

    (fault,) = _faults({}, tmp_path)

    assert f"chmod 600 {path}" in fault
    assert "do-not-repeat" not in fault


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_secret_file_that_everyone_can_open_is_refused(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("do-not-repeat", "utf-8")
    path.chmod(mode)

    (fault,) = _faults({"BROADCASTER_TWILIO__AUTH_TOKEN_FILE": str(path)}, tmp_path)

    assert fault.startswith("BROADCASTER_TWILIO__AUTH_TOKEN_FILE: ")
    assert f"chmod 600 {path}" in fault


@pytest.mark.parametrize("name", ["missing", "", "no\x00name"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    path = tmp_path / name

    (fault,) = _faults({"BROADCASTER_TWILIO__AUTH_TOKEN_FILE": str(path)}, tmp_path)

    assert "cannot be read" in fault


def test_a_weak_key_file_in_the_home_is_named_by_its_path(tmp_path):
    path = tmp_path / "keys" / "session.key"
    path.parent.mkdir()
    path.write_text("dev", "utf-8")
    path.chmod(0o600)

    (fault,) = _faults({}, tmp_path)

    assert fault.startswith(f"secrets.session_key in {path} is shorter")


@pytest.mark.parametrize("home", ["a\nb", "what?", "\udcff"])
def test_a_home_directory_needs_a_usable_name(home):
    with pytest.raises(SettingsError, match="BROADCASTER_HOME"):
        load({"BROADCASTER_HOME": home})


def test_a_home_directory_is_no_file(tmp_path):
    path = tmp_path / "file"
    path.touch()

    with pytest.raises(SettingsError, match="is a file; name a directory"):
        load({"BROADCASTER_HOME": str(path)})


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"SENDING__OPT_OUT_WAIT": "1.0"}, "SENDING__OPT_OUT_WAIT"),
        (
            {"SENDING__OPT_OUT_WAIT": "1.2", "SENDING__BEGIN_WITHIN": "1.2"},
            "SENDING__OPT_OUT_WAIT",
        ),
        ({"SENDING__SETTLE": "20.9"}, "SENDING__SETTLE"),
        ({"SENDING__SETTLE": "1", "TWILIO__TIMEOUT": "1"}, "SENDING__SETTLE"),
        (
            {
                "SENDING__SETTLE": "3",
                "TWILIO__TIMEOUT": "1",
                "SENDING__BEGIN_WITHIN": "1.5",
            },
            "SENDING__SETTLE",
        ),
        ({"SESSION__IDLE_MINUTES": "61", "SESSION__ABSOLUTE_HOURS": "1"}, "SESSION__IDLE_MINUTES"),
        ({"ENGINE": "distributed"}, "ENGINE"),
        ({"ENGINE": "distributed", "DATABASE__URL": "sqlite:////srv/data.db"}, "ENGINE"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, environ, key):
    given = {f"BROADCASTER_{name}": value for name, value in environ.items()}

    (fault,) = _faults(given, tmp_path)

    assert fault.startswith(f"BROADCASTER_{key} ")


@pytest.mark.parametrize("timeout", ["1", "10"])
def test_a_settling_time_outlasts_a_request_and_its_refusal_says_what_to_do(tmp_path, timeout):
    """What is still under way can be in no list, and would be sent a second time."""
    least = 1 + 2 * int(timeout)
    given = {
        "BROADCASTER_TWILIO__TIMEOUT": timeout,
        "BROADCASTER_SENDING__SETTLE": f"{least - 0.1}",
    }
    (fault,) = _faults(given, tmp_path)
    assert f"make it at least {least}" in fault

    given["BROADCASTER_SENDING__SETTLE"] = str(least)
    assert load(given, tmp_path).sending.settle == least


def test_the_demo_never_talks_to_the_real_twilio(tmp_path):
    (fault,) = _faults({"BROADCASTER_MODE": "demo"}, tmp_path)

    assert "never talks to the real Twilio" in fault


MOUNTS = """\
overlay / overlay rw 0 0
server:/export /srv/shared nfs4 rw 0 0
/dev/sdb /srv/shared/local ext4 rw 0 0
//nas/x /mnt/my\\040disk cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/shared/data.db", "nfs4"),
        ("/srv/shared/local/data.db", None),
        ("/srv/sharedness/data.db", None),
        ("/mnt/my disk/data.db", "cifs"),
        ("/data.db", None),
    ],
)
def test_a_network_file_system_is_recognised(tmp_path, path, kind):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS, "utf-8")

    assert network_kind(tmp_path.__class__(path), mounts) == kind


def test_without_a_list_of_mounts_nothing_is_known(tmp_path):
    assert network_kind(tmp_path, tmp_path / "missing") is None


@given(
    environ=st.dictionaries(
        st.sampled_from([row.variable for row in settings.reference()]),
        st.text(max_size=80),
        max_size=8,
    )
)
def test_whatever_is_set_is_either_taken_or_refused_by_name(tmp_path_factory, environ):
    home = tmp_path_factory.getbasetemp() / "nowhere"
    try:
        load(environ, home)
    except SettingsError as error:
        faults = error.faults
    else:
        faults = []

    assert all(fault.split(" ")[0] in environ for fault in faults)
