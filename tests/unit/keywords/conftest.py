"""The shipped vocabulary, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadcaster.core.keywords import Vocabulary, load_vocabulary

WORDS = Path(__file__).parents[3] / "config" / "keywords"


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return load_vocabulary(WORDS)
