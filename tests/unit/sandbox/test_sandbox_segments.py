"""The sandbox counts segments by itself, so it can catch the product counting wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from broadcaster.sandbox import segments


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 8, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ë" * 70, 1),
        ("ë" * 71, 2),
        ("ë" * 134, 2),
        ("ë" * 135, 3),
        ("👍" * 35, 1),
        ("👍" * 36, 2),
        ("👍" * 66, 2),
        ("👍" * 67, 3),
    ],
)
def test_segments_hold_what_the_standard_says(body, parts):
    assert segments.count(body) == parts


def test_segments_agree_with_twilios_calculator():
    vectors = Path(__file__).parents[2] / "vectors" / "sms_segments.json"
    cases = json.loads(vectors.read_text())["cases"]
    assert len(cases) > 600
    counted = [(case["text"], segments.count(case["text"])) for case in cases]
    assert counted == [(case["text"], case["segments"]) for case in cases]
