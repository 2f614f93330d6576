"""Only Twilio speaks as Twilio: published vectors, and no input that raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from broadcaster.providers.twilio.signature import is_valid_body, is_valid_form

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "signature_vectors.json"
ANYTHING = st.text(st.characters(exclude_categories=()))
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = [("To", "+15550100001"), ("Body", "STOP")]


def load_vectors():
    if not VECTORS.exists():
        return []
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(vector, id=vector["id"]) for vector in vectors]


def sign(url, parameters, key="12345"):
    return RequestValidator(key).compute_signature(url, dict(parameters))


@pytest.mark.skipif(
    not VECTORS.exists(), reason="Twilio's published vectors are not beside this checkout"
)
@pytest.mark.parametrize("vector", load_vectors())
def test_every_published_vector_is_judged_as_twilio_judges_it(vector):
    tokens, url, signature = [vector["auth_token"]], vector["url"], vector["signature"]
    if vector["body"] is None:
        parameters = [(name, value) for name, value in vector["params"]]
        judged = is_valid_form(tokens, url, parameters, signature)
    else:
        judged = is_valid_body(tokens, url, vector["body"].encode(), signature)
    assert judged is vector["expect_valid"]


@pytest.mark.parametrize("tokens", [["12345", "new"], ["new", "12345"]])
def test_either_token_is_good_while_they_are_being_exchanged(tokens):
    assert is_valid_form(tokens, URL, FORM, sign(URL, FORM))


@pytest.mark.parametrize("tokens", [[], ["new"], [""]])
def test_a_signature_of_no_configured_token_is_wrong(tokens):
    assert not is_valid_form(tokens, URL, FORM, sign(URL, FORM))


def test_an_empty_secret_signs_nothing():
    """Anybody can compute an HMAC under the empty key."""
    assert not is_valid_form([""], URL, FORM, sign(URL, FORM, key=""))


def test_the_fragment_of_connection_overrides_is_not_signed():
    assert is_valid_form(["12345"], URL + "#rc=5&rp=all", FORM, sign(URL, FORM))


def test_a_password_in_the_url_survives_the_removal_of_the_port():
    """The library's own remove_port turns user:pass@host:1234 into user."""
    with_port = "https://user:pass@mycompany.com:1234/in"
    assert is_valid_form(
        ["12345"], with_port, FORM, sign("https://user:pass@mycompany.com/in", FORM)
    )


def test_two_hashes_of_the_body_are_none():
    body = b"{}"
    once = "bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    good, twice = f"https://mycompany.com/in?{once}", f"https://mycompany.com/in?{once}&{once}"
    assert is_valid_body(["12345"], good, body, sign(good, []))
    assert not is_valid_body(["12345"], twice, body, sign(twice, []))


@given(
    form=st.lists(st.tuples(st.text(), st.text()), unique_by=lambda pair: pair[0]),
    data=st.data(),
)
def test_a_signed_form_is_good_in_any_order_and_bad_once_changed(form, data):
    signature = sign(URL, form)
    shuffled = data.draw(st.permutations(form))
    assert is_valid_form(["12345"], URL, shuffled, signature)
    assert not is_valid_form(["12345"], URL, [*form, ("\U0010ffff", "more")], signature)
    assert not is_valid_form(["12345"], URL + "x", form, signature)


@given(
    url=ANYTHING | st.builds("https://{}:{}/{}?{}".format, *[ANYTHING] * 4),
    form=st.lists(st.tuples(ANYTHING, ANYTHING)),
    signature=st.none() | ANYTHING,
    body=st.binary(),
)
def test_no_input_raises_and_no_chance_signature_is_good(url, form, signature, body):
    assert is_valid_form(["12345"], url, form, signature) is False
    assert is_valid_body(["12345"], url, body, signature) is False
    assert is_valid_body(["12345"], url + "?bodySHA256=ä", body, signature) is False
