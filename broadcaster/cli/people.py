"""``broadcaster people``: what is done about single people."""

from __future__ import annotations

import click

from broadcaster.cli.people_evidence import evidence, openings


@click.group()
def people() -> None:
    """Open the evidence of a person's consent."""


for _command in (evidence, openings):
    people.add_command(_command)
