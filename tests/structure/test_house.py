"""The house: its layers, its sizes, and what every part must have."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from broadcaster import jobs, resources
from broadcaster.cli.root import COMMANDS
from broadcaster.storage.models import Base
from broadcaster.storage.session import make_engine

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "broadcaster").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_importing_the_package_loads_nothing():
    assert (ROOT / "broadcaster" / "__init__.py").read_text() == ""


def test_importing_the_ledger_loads_no_framework():
    code = (
        "import sys, broadcaster.ledger.verify, broadcaster.ledger.__main__;"
        "print([name for name in ('flask', 'sqlalchemy', 'twilio', 'marshmallow', 'click')"
        " if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("paths", "most"), [(MODULES, 400), (TESTS, 600)], ids=["modules", "tests"]
)
def test_no_module_is_too_long_to_read(paths, most):
    long = {
        str(path.relative_to(ROOT)): lines
        for path in paths
        if (lines := len(path.read_text().splitlines())) > most
    }

    assert long == {}


def test_the_layers_import_only_downwards():
    done = subprocess.run(  # noqa: S603 - the linter of the project
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stdout


def test_every_job_has_an_interval():
    assert jobs.JOBS.keys() == jobs.EVERY.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name):
    module, _, attribute = COMMANDS[name].target.partition(":")
    command = getattr(importlib.import_module(module), attribute)

    assert command.name == name
    assert command.help


def test_the_history_of_the_database_is_one_line():

    config = Config()
    config.set_main_option("script_location", str(resources.directory("migrations")))
    config.set_main_option("path_separator", "os")

    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


def test_the_migrations_make_exactly_the_tables_of_the_models(database_url):
    engine = make_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()

    assert differences == []


def test_no_page_or_script_asks_a_foreign_host():
    shipped = [
        path
        for path in (ROOT / "broadcaster").rglob("*")
        if path.suffix in {".html", ".css", ".js"} and "vendor" not in path.parts
    ]
    foreign = [
        str(path.relative_to(ROOT))
        for path in shipped
        if any(
            mark in path.read_text() for mark in ('src="http', "url(http", '@import "http', "//cdn")
        )
    ]

    assert shipped
    assert foreign == []


def test_no_function_is_too_long_to_read():
    """Forty lines of statements; what a function promises above them does not count."""
    long = [
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in MODULES
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if function.end_lineno - _first_statement(function).lineno >= 40
    ]

    assert long == []


def _first_statement(function):
    first, *others = function.body
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return others[0] if is_docstring and others else first
