"""Many ids in one parameter: the statement stays the same, however many there are.

``IN (?, ?, …)`` is another statement for each number of ids, to be made, sent and planned anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine


class IdList(TypeDecorator[Iterable[int]]):
    """A parameter that holds many ids: an array, and JSON where there are no arrays."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose what the database knows."""
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(Text() if is_sqlite else ARRAY(BigInteger()))

    def process_bind_param(self, value: Iterable[int] | None, dialect: Dialect) -> Any:  # noqa: ANN401 - what the driver takes
        """Write the ids as the database wants them."""
        ids = list(value or ())
        return json.dumps(ids) if dialect.name == "sqlite" else ids


class among(FunctionElement[Any]):  # noqa: N801 - reads as the operator that it is
    """``column IN ids``, where ids are one parameter of the type `IdList`."""

    # Not Boolean: SQLAlchemy would compare it with 1, and SQLite would not look into the index.
    type = NullType()
    inherit_cache = True


@compiles(among)
def _array(element: among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    column, ids = element.clauses
    return f"{compiler.process(column, **options)} = ANY ({compiler.process(ids, **options)})"


@compiles(among, "sqlite")
def _json(element: among, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's own
    column, ids = element.clauses
    listed = f"json_each({compiler.process(ids, **options)})"
    return " ".join([compiler.process(column, **options), "IN (SELECT value FROM", listed, ")"])
