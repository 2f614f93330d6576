"""The sandbox judges the product, so it must not share its mistakes."""

from __future__ import annotations

import ast
from pathlib import Path

import broadcaster.sandbox

PACKAGE = Path(broadcaster.sandbox.__file__).parent


def test_the_sandbox_imports_no_other_part_of_the_product():
    imported = {
        name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in names(node)
    }
    ours = {name for name in imported if name.split(".")[0] == "broadcaster"}
    assert "broadcaster.sandbox.config" in ours
    assert {name for name in ours if not name.startswith("broadcaster.sandbox")} == set()


def names(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
