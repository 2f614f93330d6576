"""What tests/quick.py spares the other tests is there in a program of its own, as it is shipped."""

from __future__ import annotations

import subprocess
import sys


def _says(program: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_what_is_committed_to_sqlite_survives_a_power_cut(tmp_path):
    program = (
        "import sys; from broadcaster.storage.session import make_engine;"
        "connection = make_engine(f'sqlite:///{sys.argv[1]}').connect();"
        "print(connection.exec_driver_sql('PRAGMA synchronous').scalar_one())"
    )
    full = "2"

    assert _says(program, str(tmp_path / "one.sqlite3")) == full


def test_a_password_is_kept_as_owasp_asks():
    program = (
        "from broadcaster.services.passwords import encode;"
        "print(encode('a long enough password', name='anna'))"
    )

    assert _says(program).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_name_that_nobody_has_costs_as_much_as_one_that_somebody_has():
    program = "from broadcaster.services import passwords; print(passwords._NOBODY)"

    assert _says(program).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
