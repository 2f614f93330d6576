"""``broadcaster user``: who may sign in, and as what."""

from __future__ import annotations

import secrets
import sys

import click

from broadcaster.cli.output import complain, json_option, say, say_json, say_table
from broadcaster.cli.runtime import open_runtime
from broadcaster.core.errors import InvalidInput
from broadcaster.services import staff
from broadcaster.services.staff import Role

_ROLES = click.Choice([role.value for role in Role])
_PASSWORD_BYTES = 15


@click.group()
def user() -> None:
    """Add people who may sign in."""


@user.command()
@click.argument("name")
@click.option("--role", type=_ROLES, required=True, help="What they may do.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(name: str, *, role: str, password_stdin: bool) -> None:
    """Add an account; without --password-stdin a password is made and printed once."""
    runtime = open_runtime()
    password = _password(from_stdin=password_stdin)
    with runtime.transaction() as session:
        staff.add_user(
            session, name=name, password=password, role=Role(role), now=runtime.clock.now()
        )
    say(f"{name} can sign in as {role}.")
    _tell(password, from_stdin=password_stdin)


@user.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List all accounts."""
    runtime = open_runtime()
    with runtime.reading() as session:
        rows = [
            {"name": one.name, "role": one.role, "active": one.active}
            for one in staff.list_users(session)
        ]
    if as_json:
        say_json(rows)
        return
    say_table(
        ("NAME", "ROLE", "STATE"),
        [
            (str(row["name"]), str(row["role"]), "active" if row["active"] else "disabled")
            for row in rows
        ],
    )


@user.command()
@click.argument("name")
@click.argument("role", type=_ROLES)
def role(name: str, role: str) -> None:
    """Give an account another role; its sessions end."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        staff.change_role(session, name, Role(role))
    say(f"{name} is now {role}.")


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Close an account for signing in; its sessions end."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        staff.disable(session, name)
    say(f"{name} can no longer sign in.")


@user.command(name="reset-password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def reset_password(name: str, *, password_stdin: bool) -> None:
    """Give an account another password; its sessions end."""
    runtime = open_runtime()
    password = _password(from_stdin=password_stdin)
    with runtime.transaction() as session:
        staff.reset_password(session, name, new=password)
    say(f"The password of {name} is changed.")
    _tell(password, from_stdin=password_stdin)


def _password(*, from_stdin: bool) -> str:
    """A password is never an argument: those are seen by every process and kept in histories."""
    if not from_stdin:
        return secrets.token_urlsafe(_PASSWORD_BYTES)
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        message = "Standard input is empty; write the password to it."
        raise InvalidInput(message)
    return given


def _tell(password: str, *, from_stdin: bool) -> None:
    if not from_stdin:
        complain("Password, shown only this once:")
        say(password)
