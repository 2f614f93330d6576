"""RFC 8785: one value has one sequence of bytes, and only that one is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.ledger import canonical
from broadcaster.ledger.errors import CanonicalError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


def keys_in_order(value: object) -> bool:
    if isinstance(value, list):
        return all(map(keys_in_order, value))
    if isinstance(value, dict):
        keys = [key.encode("utf-16-be") for key in value]
        return keys == sorted(keys) and all(map(keys_in_order, value.values()))
    return True


@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert canonical.parse(canonical.encode(value)) == value


@given(VALUES)
def test_it_is_json_with_keys_in_the_order_of_utf16_units(value):
    data = canonical.encode(value)
    assert json.loads(data) == value
    assert keys_in_order(json.loads(data))


@given(st.dictionaries(TEXTS, INTEGERS), st.randoms())
def test_the_order_in_which_keys_were_added_does_not_matter(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical.encode(dict(items)) == canonical.encode(value)


@given(VALUES, st.sampled_from([" ", "\n", "\t"]))
def test_another_spelling_of_the_same_value_is_refused(value, blank):
    for spelling in (blank + canonical.encode(value).decode(), json.dumps([value], indent=1)):
        with pytest.raises(CanonicalError):
            canonical.parse(spelling.encode())


def test_the_rfc_example_sorts_by_utf16_code_units():
    """RFC 8785 section 3.2.3: the emoji comes before U+FB33, its code point is larger."""
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical.encode(value))) == order


def test_the_rfc_example_of_a_string_is_escaped_as_printed_there():
    """RFC 8785 section 3.2.2.2."""
    value = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    expected = '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'
    assert canonical.encode(value) == expected.encode()


def test_every_control_character_has_the_escape_of_the_rfc():
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    expected = "".join(short.get(code, f"\\u{code:04x}") for code in range(32)) + "\x7f\u2028"
    text = "".join(map(chr, range(32))) + "\x7f\u2028"
    assert canonical.encode(text) == f'"{expected}"'.encode()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        (1,),
        b"x",
        {1, 2},
        object(),
        [[1.5]],
    ],
)
def test_what_json_cannot_say_safely_is_not_written(value):
    with pytest.raises(CanonicalError):
        canonical.encode(value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"\x00", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"{} ", "canonical form"),
        (b'{"a":1,"a":1}', "named twice"),
        (b'{"b":1,"a":1}', "not in canonical order"),
        ('{"\ufb33":1,"\U0001f600":1}'.encode(), "not in canonical order"),
        (b'{"a": 1}', "canonical form"),
        (b'"\\u0041"', "canonical form"),
        (b'"\\/"', "canonical form"),
        (b'"\\u000A"', "canonical form"),
        (b'"\\ud83d\\ude00"', "canonical form"),
        (b'"\\ud800"', "surrogate"),
        (b'"\n"', "not JSON"),
        (b"1.0", "whole numbers"),
        (b"1e3", "whole numbers"),
        (b"NaN", "whole numbers"),
        (b"-Infinity", "whole numbers"),
        (b"-0", "canonical form"),
        (b"01", "not JSON"),
        (b"9007199254740992", "2^53-1"),
        (b"1" * 5000, "2^53-1"),
    ],
)
def test_bytes_that_are_not_canonical_are_refused_with_the_reason(data, reason):
    with pytest.raises(CanonicalError) as caught:
        canonical.parse(data)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 65_000,
        b'{"a":' * 13_000,
        b"[" * 65 + b"]" * 65,
        b'["]",' * 65 + b"1" + b"]" * 65,
        b'["\\"]",' * 65 + b"1" + b"]" * 65,
    ],
)
def test_deep_nesting_is_an_error_like_any_other(data):
    with pytest.raises(CanonicalError, match="deep"):
        canonical.parse(data)


def test_nesting_up_to_the_limit_and_brackets_in_strings_are_fine():
    value: object = "[" * 1000
    for _ in range(canonical.MAX_DEPTH):
        value = [value]
    assert canonical.parse(canonical.encode(value)) == value
    with pytest.raises(CanonicalError, match="deep"):
        canonical.encode([value])


@given(st.binary(max_size=60))
def test_any_bytes_are_either_canonical_or_refused(data):
    try:
        value = canonical.parse(data)
    except CanonicalError:
        return
    assert canonical.encode(value) == data
