"""``broadcaster verify``: check a bundle, a receipt or a pack, without any home or database."""

from __future__ import annotations

import click

from broadcaster.ledger import __main__ as verifier


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def verify(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Check an exported bundle, a receipt or an evidence pack, step by step."""
    # The same program that an auditor runs without us, so that the two cannot differ.
    try:
        context.exit(verifier.main(["verify", *arguments]))
    except SystemExit as ended:
        # Wrong options, or --help: it has said so itself.
        context.exit(ended.code if isinstance(ended.code, int) else verifier.WRONG_USE)
