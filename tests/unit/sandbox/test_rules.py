"""Small rules of the sandbox: opt-out words, retry policies, addresses, set-up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.sandbox import addresses, optout, policy
from broadcaster.sandbox.config import Phone, SandboxConfig, is_loopback, is_web_url
from broadcaster.sandbox.errors import InvalidConfig
from broadcaster.sandbox.optout import OptOut
from broadcaster.sandbox.store import Store

ACCOUNT = "AC" + "0" * 32
SMS = "+15550100000"
WHATSAPP = "whatsapp:+15550100000"
PHONE = "+15550100001"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        *[
            (word, OptOut.STOP)
            for word in (
                "STOP",
                "UNSUBSCRIBE",
                "END",
                "QUIT",
                "STOPALL",
                "REVOKE",
                "OPTOUT",
                "CANCEL",
                "sToP",
                "  stop \n",
            )
        ],
        *[(word, OptOut.START) for word in ("START", "Yes", "unstop")],
        *[(word, OptOut.HELP) for word in ("HELP", "info")],
        *[(text, None) for text in ("Stop please", "STOP.", "OPT OUT", "stop all", "", "UIT")],
    ],
)
def test_only_the_whole_text_is_twilios_word(body, kind):
    assert optout.classify(body) is kind


def test_twilio_answers_a_stop_once_and_lifts_it_once():
    store = Store()

    def text(body):
        handling = optout.handle(store, sender=SMS, phone=PHONE, body=body)
        return handling is not None and handling.reply is not None

    assert [text(body) for body in ("START", "STOP", "stop", "YES", "UNSTOP")] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert not store.is_stopped(SMS, PHONE)


def test_twilio_leaves_whatsapp_alone():
    store = Store()
    phone = f"whatsapp:{PHONE}"
    assert optout.handle(store, sender=WHATSAPP, phone=phone, body="STOP") is None
    assert not store.is_stopped(WHATSAPP, phone)


@pytest.mark.parametrize(
    ("fragment", "retries", "occasions", "total"),
    [
        ("", 1, {"ct"}, 15.0),
        ("#rc=5&rp=all", 5, {"all"}, 15.0),
        ("#rc=0", 0, {"ct"}, 15.0),
        ("#rc=6&rp=maybe&tt=99999", 1, {"ct"}, 15.0),
        ("#rp=5xx,rt&tt=2000", 1, {"5xx", "rt"}, 2.0),
    ],
)
def test_overrides_stand_in_the_fragment(fragment, retries, occasions, total):
    url, chosen = policy.split(f"https://example.org/hook?d=1{fragment}", limit=15.0)
    assert url == "https://example.org/hook?d=1"
    assert (chosen.retries, chosen.occasions, chosen.total) == (retries, occasions, total)


@given(st.text())
def test_no_fragment_breaks_the_policy(fragment):
    _, chosen = policy.split(f"https://example.org/#{fragment}", limit=3.0)
    assert 0 <= chosen.retries <= 5
    assert 0 < chosen.total <= 3.0


@pytest.mark.parametrize(
    ("address", "is_valid"),
    [
        ("+15550100001", True),
        ("whatsapp:+15550100001", True),
        ("whatsapp:NL.a1B2", True),
        ("NL.a1B2", False),
        ("15550100001", False),
        ("+0555010000", False),
        ("+1 555 010", False),
        ("+1555\N{ARABIC-INDIC DIGIT ZERO}100001", False),
        ("whatsapp:", False),
        ("sms:+15550100001", False),
        ("+15550100001\n", False),
        ("+1555010000112345", False),
    ],
)
def test_addresses_are_strict(address, is_valid):
    assert addresses.is_valid(address) is is_valid


@pytest.mark.parametrize(
    ("url", "is_url"),
    [
        ("https://example.org/s?d=1", True),
        ("http://127.0.0.1:8000/s", True),
        ("example.org/s", False),
        ("ftp://example.org/", False),
        ("https://", False),
        ("https://example.org:99999/", False),
        ("https://exa mple.org/", False),
        ("https://[::1/", False),
    ],
)
def test_a_callback_must_be_a_url(url, is_url):
    assert is_web_url(url) is is_url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]"])
def test_loopback_is_recognised(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": "0.0.0.0"}, "loopback only"),  # noqa: S104 - that it is refused is the point
        ({"host": "192.0.2.1"}, "loopback only"),
        ({"host": "example.org"}, "loopback only"),
        ({"account_sid": "AC123"}, "32 hexadecimal digits"),
        ({"auth_token": ""}, "auth token is empty"),
        ({"senders": ()}, "at least one sender"),
        ({"senders": ("5550100000",)}, "A sender must be"),
        ({"phones": (Phone(name="A", number="12"),)}, "A phone's number"),
        ({"phones": (Phone(name="<b>", number=PHONE),)}, "A phone's name"),
        ({"phones": (Phone(name="A", number=PHONE),) * 2}, "the same name"),
        ({"phones": (Phone(name="A", number=WHATSAPP),)}, "A phone's number"),
        ({"port": 65_536}, "from 0 to 65535"),
        ({"webhook_base": "example.org"}, "must begin with http"),
    ],
)
def test_a_set_up_that_cannot_work_is_refused_in_plain_words(settings, words):
    usual = {"account_sid": ACCOUNT, "auth_token": "t", "senders": (SMS,)}
    with pytest.raises(InvalidConfig, match=words):
        SandboxConfig(**(usual | settings))


def test_the_token_is_not_shown():
    config = SandboxConfig(account_sid=ACCOUNT, auth_token="very secret", senders=(SMS,))
    assert "very secret" not in repr(config)
