"""What makes a test run quick and changes nothing that tests look at.

Programs that tests start are processes of their own and know nothing of this: they run as shipped.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine
from werkzeug.routing import Rule

from broadcaster.services import passwords
from broadcaster.storage import session

# Thousands of tests know fewer different statements than this.
_STATEMENTS = 5000


def hurry() -> None:
    """Let this process spare what costs time in every test: call it once, before any test."""
    session.create_engine = _sharing_statements(session.create_engine)
    # A file that ends with its test need not survive a power cut.
    session._SQLITE_PRAGMAS = tuple(
        pragma.replace("synchronous=FULL", "synchronous=OFF") for pragma in session._SQLITE_PRAGMAS
    )
    # A password that everybody can read here need not be hard to guess.
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    passwords._NOBODY = passwords._HASHER.hash("nobody")
    # Every test has an application of its own, and they all have the same pages.
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _Compiled()}
    Rule._compile_builder = _compiling_once(Rule._compile_builder)


def settle() -> None:
    """Spare the garbage collector what was collected for the run and stays until its end."""
    gc.collect()
    gc.freeze()


def _sharing_statements(create: Callable[..., Engine]) -> Callable[..., Engine]:
    """Let all engines of a kind share what they know of statements.

    An engine compiles each statement once, and a program has one engine. Here every test has its
    own, which would compile them all again: most of the time that a test takes.
    """
    shared: dict[str, Engine] = {}

    def create_engine(url: str, **options: Any) -> Engine:
        made = create(url, query_cache_size=_STATEMENTS, **options)
        first = shared.setdefault(made.dialect.name, made)
        if made is not first:
            _share(first.dialect, made)
            made._compiled_cache = first._compiled_cache
        return made

    return create_engine


def _share(dialect: sa.Dialect, engine: Engine) -> None:
    """Give an engine another one's dialect: statements are kept by dialect."""

    def initialize(connection: sa.Connection) -> None:
        if dialect.server_version_info is None:
            dialect.initialize(connection)

    # The first connection would ask the server what the dialect knows by now.
    engine.dialect.initialize = initialize
    engine.dialect = engine.pool._dialect = dialect


class _Compiled(BytecodeCache):
    """Templates as code, by name and content, for all applications of this process."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with what is known of its template."""
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._code[bucket.key] = bucket.bytecode_to_string()


def _compiling_once(compile_builder: Callable[..., Callable]) -> Callable[..., Callable]:
    """Let the rules of all applications share the code that builds their addresses."""
    known: dict[tuple, Callable] = {}

    def compile_rule(rule: Rule, append_unknown: bool = True) -> Callable:  # noqa: FBT001, FBT002 - werkzeug's own
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = rule.rule, tuple(rule._trace), append_unknown
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    return compile_rule
