"""The documents and the code agree: what one names, the other has."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from broadcaster import settings
from broadcaster.cli.root import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "broadcaster"
DOCS = ROOT / "docs"
ADRS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / ".github" / "CONTRIBUTING.md",
]
# The words that code, screens and tests agreed on before the first line was written.
WORDS = (
    "sender", "channel", "list", "keyword", "intent", "opt-in", "opt-out", "notice", "subscriber",
    "subject", "subscription", "ledger", "entry", "leaf", "checkpoint", "inclusion proof",
    "consistency proof", "bundle", "evidence", "bulletin", "audience", "delivery",
    "status callback", "provider", "engine", "campaign", "terms", "submission", "conversation",
    "request", "receipt",
)  # fmt: skip

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`([A-Za-z0-9_./]+\.(?:py|toml|md))(?::([A-Za-z_]\w*))?`")
_SECTIONS = ("Context", "Considered", "Decision", "Consequences")


def name_of(path):
    return str(path.relative_to(ROOT))


def definitions(path):
    """Every name that a module defines at its top, and every method and attribute below a class."""
    return {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.name]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            else [target.id for target in targets(node) if isinstance(target, ast.Name)]
        )
    }


def targets(node):
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def places(page, path):
    """Where a path in a document may be: below the root, the package, or beside the document."""
    return [ROOT / path, PACKAGE / path, page.parent / path]


def test_there_are_documents():
    assert len(ADRS) > 10
    assert all(page.is_file() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page):
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    broken = [
        link
        for link in links
        if not link.startswith("#") and not (page.parent / link.partition("#")[0]).exists()
    ]

    assert broken == []


@pytest.mark.parametrize("page", [DOCS / "architecture.md", *ADRS], ids=name_of)
def test_files_and_definitions_that_are_named_exist(page):
    missing = [
        f"{path}:{name}" if name else path
        for path, name in _PATH.findall(page.read_text())
        if "/" in path and not is_there(page, path, name)
    ]

    assert missing == []


def is_there(page, path, name):
    found = [place for place in places(page, path) if place.is_file()]
    return bool(found) and (not name or name in definitions(found[0]))


def test_the_architecture_names_files_and_definitions():
    named = _PATH.findall((DOCS / "architecture.md").read_text())

    assert len([name for _path, name in named if name]) > 30


@pytest.mark.parametrize("adr", ADRS, ids=name_of)
def test_every_decision_has_its_form_and_stands_in_the_index(adr):
    text = adr.read_text()
    number, title = re.match(r"# (\d{4})\. (.+)\n", text).groups()
    index = (DOCS / "adr" / "README.md").read_text()

    assert adr.name.startswith(f"{number}-")
    assert re.search(r"^- Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
    assert re.search(r"^- Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(_SECTIONS)
    assert f"| {number} | [{title}]({adr.name}) |" in index


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(adr.name[:4]) for adr in ADRS]

    assert numbers == list(range(1, len(ADRS) + 1))


def test_every_part_of_the_package_stands_in_the_architecture():
    parts = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.is_dir() and list(path.glob("*.py"))) or path.suffix == ".py"
    } - {"__init__"}
    layers = section("Layers")

    assert [part for part in sorted(parts) if f"`{part}`" not in layers] == []


def test_the_layers_of_the_architecture_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [one["layers"] for one in contracts["contracts"] if one["type"] == "layers"]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section("Layers"), re.MULTILINE)

    assert [set(row.split(" | ")) for row in layers] == [
        set(re.findall(r"`(\w+)`", row)) for row in rows
    ]


def test_every_section_of_the_settings_stands_in_the_architecture():
    keys = [row.key for row in settings.reference() if row.key != "home"]
    text = section("Settings")
    named = {f"[{key.split('.')[0]}]" if "." in key else key for key in keys}

    assert named
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("word", WORDS)
def test_every_word_that_the_code_uses_stands_in_the_glossary(word):
    pattern = re.compile(rf"(?<![a-z]){word.replace('-', '[-_ ]').replace(' ', '[-_ ]')}(?![a-z])")
    used = any(pattern.search(path.read_text().lower()) for path in PACKAGE.rglob("*.py"))
    glossary = (DOCS / "glossary.md").read_text()

    assert not used or f"| **{word}** |" in glossary


def test_no_word_stands_in_the_glossary_twice():
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)

    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_mentioned(command):
    said = "\n".join(page.read_text() for page in PAGES)

    assert re.search(rf"broadcaster {command}\b", said)


def section(title):
    """The text of a section of the architecture, with what is below it."""
    text = (DOCS / "architecture.md").read_text()
    return re.split(r"^## ", text.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]
