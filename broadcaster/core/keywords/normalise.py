"""From the characters somebody typed to plain lower-case text.

The steps are those of the design: take quotations and signatures away, bring compatibility forms
to plain letters, remove what cannot be seen, remove links, fold accents and case, join letters
that were typed apart. Every step is linear, and the length examined has a limit.
"""

from __future__ import annotations

import re
import unicodedata

EXAMINED = 2_000
"""Characters looked at; of a longer text its beginning and its end."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]+"
)
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f"
    "\ufe20-\ufe2f\U000e0100-\U000e01ef]+"
)
_REPEATED = re.compile(r"(.)\1{3,}", re.DOTALL)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_LINK = re.compile(
    r"\b(?:https?|ftp)://\S*|\bwww\.\S+|[^\s@<>]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|\b[\w-]{2,63}\.(?:nl|com|org|net|be|eu|co\.uk|fr|es|de|info|io|app)\b(?:/\S*)?"
)
_SMILEY = re.compile(r"(?:(?<=\s)|^)[:;=][-^o']?[)(\]\[dp3/\\|]+(?=\s|$)")
_SPELT = re.compile(r"(?<![^\W_'])(?:[^\W\d_](?:[^\w']|_){1,3}){2,}[^\W_](?![^\W_']|'\w)")
_NOT_A_WORD = re.compile(r"[\W_]+")

_SAME = str.maketrans(
    {
        "\u2019": "'",
        "\u2018": "'",
        "\u02bc": "'",
        "`": "'",
        "\u00b4": "'",
        "\u2032": "'",
        "\uff07": "'",
        "\u2800": " ",
        "\u3164": " ",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "\u0131": "i",
        "œ": "oe",
        "æ": "ae",
        **{chr(0x1F150 + index): chr(97 + index) for index in range(26)},
        **{chr(0x1F170 + index): chr(97 + index) for index in range(26)},
    }
)
# Letters of other alphabets, and digits, that look like Latin ones.
_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝвкмнтьѵ" + "αεορυχιντκηβμ" + "015",
    "aeopcyxijsdhqwbkmhtbv" + "aeopuxivtknbm" + "ois",
)
_GREEK_CAPITALS = str.maketrans("ρνυτ", "pnyt")


def clean(text: str) -> str:
    """Return the text in plain characters, without invisible ones, cut to the examined length."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
        text = _MARKS.sub(lambda found: found.group()[:2], text)
    elif not text.isprintable():
        text = _INVISIBLE.sub("", text)
    if not text.isprintable():
        text = _LINE_ENDS.sub("\n", text)
    text = _REPEATED.sub(r"\1\1\1", text) if len(text) > EXAMINED else text
    text = _shorten(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _shorten(text)


def _shorten(text: str) -> str:
    if len(text) <= EXAMINED:
        return text
    return text[: EXAMINED // 2] + "\n" + text[-EXAMINED // 2 :]


def fold(text: str) -> str:
    """Return the text in lower case without accents, with straight apostrophes."""
    if text.isascii():
        return text.lower().replace("`", "'")
    text = unicodedata.normalize("NFD", text.casefold().translate(_SAME))
    return _MARKS.sub("", text)


def without_links(folded: str) -> str:
    """Return the folded text without web addresses, e-mail addresses and smileys."""
    if "." in folded or "://" in folded:
        folded = _LINK.sub(" ", folded)
    if ":" in folded or ";" in folded or "=" in folded:
        folded = _SMILEY.sub(" ", folded)
    return folded


def join_letters(folded: str) -> str:
    """Join three or more single letters: "s t o p", "n.r.c.", "a.u.b."."""
    if folded.isalpha():
        return folded
    return _SPELT.sub(lambda found: _NOT_A_WORD.sub("", found.group()), folded)


def look_alikes(word: str) -> tuple[str, ...]:
    """Return the Latin readings of a folded word written with letters or digits that look Latin."""
    plain = word.translate(_LOOKS_LIKE)
    if not plain.isascii():
        return ()
    return tuple({plain, word.translate(_GREEK_CAPITALS).translate(_LOOKS_LIKE)} - {word})


def umlauts_written_out(text: str) -> str:
    """Return the text with German umlauts as two letters ("kuendigen")."""
    for short, long in (
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("Ä", "Ae"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
    ):
        text = text.replace(short, long)
    return text
