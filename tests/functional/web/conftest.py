"""Sites to open a browser on."""

import shutil

import pytest

from tests.functional.web.site import build_site


@pytest.fixture
def new_site(tmp_path, migrated_sqlite):
    """Make sites; their connections close at the end."""
    made = []

    def make(**options):
        path = tmp_path / f"site{len(made)}.sqlite3"
        shutil.copy(migrated_sqlite, path)
        made.append(build_site(tmp_path, path, **options))
        return made[-1]

    yield make
    for site in made:
        site.runtime.database.dispose()


@pytest.fixture
def site(new_site):
    return new_site()
