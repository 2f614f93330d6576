"""``broadcaster demo``: the whole system on simulated phones, in one command."""

from broadcaster.cli.demo.command import demo

__all__ = ["demo"]
