"""What a round needs: a look at the machine, and a database server that may be killed."""

from __future__ import annotations

import pytest

from broadcaster.cli.faults.cluster import Cluster
from broadcaster.cli.faults.machine import look_around


@pytest.fixture(scope="session")
def machine():
    """What can be done here."""
    return look_around()


@pytest.fixture(scope="session")
def cluster(machine):
    """A PostgreSQL server of our own, started when the first round needs it."""
    if machine.postgresql is None:
        pytest.skip(" ".join(machine.missing))
    own = Cluster(machine)
    own.start()
    yield own
    own.close()
