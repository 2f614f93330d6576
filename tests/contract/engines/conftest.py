"""A newsroom for each engine, on the database that the engine is made for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engines.newsroom import Newsroom, newsroom_at


@pytest.fixture(params=["embedded", "distributed"])
def engine_name(request) -> str:
    """Each engine; a case runs on both."""
    return request.param


@pytest.fixture
def newsroom(engine_name, request, tmp_path) -> Iterator[Newsroom]:
    """Open a newsroom on the database that the engine is made for."""
    kind = "sqlite_url" if engine_name == "embedded" else "postgresql_url"
    with newsroom_at(request.getfixturevalue(kind), engine_name, tmp_path / "home") as made:
        yield made


@pytest.fixture
def distributed(postgresql_url, tmp_path) -> Iterator[Newsroom]:
    """Open a newsroom whose workers share a queue."""
    with newsroom_at(postgresql_url, "distributed", tmp_path / "home") as made:
        yield made
