"""The word files are checked when they are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from broadcaster.core.errors import BroadcasterError
from broadcaster.core.keywords import FaultyVocabulary, load_vocabulary

WORDS = Path(__file__).parents[3] / "config" / "keywords"


@pytest.fixture
def directory(tmp_path):
    return shutil.copytree(WORDS, tmp_path / "keywords")


def change(directory, old, new):
    path = directory / "nl.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[classes]", "[klasses]", "klasses"),
        ("[words]\nstop", "[words]\nstopp", "words.stopp"),
        ("[phrases.erasure]", "[phrases.erazure]", "phrases.erazure"),
        ("<leave>", "<leaf>", "'leaf'"),
        ('"geen ~ <message', '"~ geen <message', "begin"),
        ('off = "', "off = 3 # ", "off"),
        ("[words]", "[words", "TOML"),
    ],
)
def test_a_fault_in_a_word_file_is_named(directory, old, new, named):
    change(directory, old, new)
    with pytest.raises(FaultyVocabulary, match=named):
        load_vocabulary(directory)


def test_a_language_too_many_is_a_fault(directory):
    shutil.copy(directory / "nl.toml", directory / "xx.toml")
    with pytest.raises(FaultyVocabulary, match="xx"):
        load_vocabulary(directory)


def test_a_fault_is_told_like_every_other_error_of_the_product(directory):
    change(directory, "[words]", "[words")
    with pytest.raises(BroadcasterError, match=r"nl\.toml"):
        load_vocabulary(directory)


def test_a_language_missing_is_a_fault(directory):
    (directory / "fr.toml").unlink()
    with pytest.raises(FaultyVocabulary, match="fr"):
        load_vocabulary(directory)


def test_a_changed_word_changes_the_version(directory):
    before = load_vocabulary(directory).version
    change(directory, 'off = "', 'off = "klaar, ')
    assert load_vocabulary(directory).version != before
