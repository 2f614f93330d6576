"""Put the sources together, check everything with one schema, and derive what was left empty."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError

from broadcaster import resources
from broadcaster.settings import sources
from broadcaster.settings.checks import find_contradictions
from broadcaster.settings.declaration import Declaration, declared
from broadcaster.settings.errors import SettingsError
from broadcaster.settings.sections import Settings, missing
from broadcaster.settings.url import sqlite_url

CATALOGUE: Mapping[str, Declaration] = {one.key: one for one in declared(Settings)}
# Keys keep their dots: marshmallow then gives nested values, and faults by whole keys.
_SCHEMA = Schema.from_dict({key: one.form for key, one in CATALOGUE.items()}, name="Everything")

Given = dict[str, sources.Given]


def load(
    environ: Mapping[str, str] | None = None, home: Path | None = None, *, live: bool = False
) -> Settings:
    """Read all settings: ``config/base.toml``, ``config.toml`` in the home, the environment, files.

    Args:
        environ: the environment; the process's own if left out.
        home: the home directory; else ``BROADCASTER_HOME``, else ``~/.broadcaster``.
        live: also list what talking with Twilio needs and is missing.

    Raises:
        SettingsError: lists every fault there is.
    """
    if environ is None:
        environ = os.environ  # noqa: TID251 - the one place that reads the environment
    home, origin = _find_home(environ, home)
    given, faults = _collect(environ, home)
    values, more = _check(given, home)
    faults += more
    if live:
        faults += missing(values)
    if faults:
        raise SettingsError(faults)
    origins = {
        key: one.origin if one.value else f"{one.origin}, empty" for key, one in given.items()
    }
    return _assemble(home, values, {"home": origin} | origins)


def _find_home(environ: Mapping[str, str], home: Path | None) -> tuple[Path, str]:
    written, origin = environ.get(sources.HOME, ""), "default"
    user = Path(environ.get("HOME") or os.sep)
    if home is not None:
        origin = "given to the command"
    elif written:
        home, origin = Path(written), f"environment {sources.HOME}"
    else:
        home = user / ".broadcaster"
    if home.parts[:1] == ("~",):
        home = user.joinpath(*home.parts[1:])
    # A question mark would begin the options of a database URL.
    if not str(home).isprintable() or "?" in str(home):
        message = f"{sources.HOME} holds a question mark, a control character or invalid UTF-8."
        raise SettingsError([message])
    if home.exists() and not home.is_dir():
        raise SettingsError([f"{sources.HOME}: {home} is a file; name a directory."])
    return home.absolute(), origin


def _collect(environ: Mapping[str, str], home: Path) -> tuple[Given, list[str]]:
    base_path, own_path = resources.directory("config") / "base.toml", home / "config.toml"
    base = sources.toml_file(base_path, CATALOGUE)
    lacking = [key for key in CATALOGUE if key not in base.given]
    if lacking:
        message = f"{base_path} lacks {', '.join(lacking)}; install Broadcaster again."
        raise SettingsError([*base.faults, message])
    own = sources.toml_file(own_path, CATALOGUE) if own_path.exists() else sources.Layer()
    ours = sources.environment(environ, CATALOGUE)
    given = base.given | own.given | ours.given
    if str(given["mode"].value).strip() != "demo":
        # A developer's own credentials stay out of the demo.
        given = base.given | own.given | sources.aliases(environ).given | ours.given
    keys = sources.key_files(home, [key for key, one in given.items() if not one.value])
    return given | keys.given, base.faults + own.faults + ours.faults + keys.faults


def _check(given: Given, home: Path) -> tuple[dict[str, object], list[str]]:
    """Return the good values by key, and a fault for each bad one."""
    wrong: Mapping[str, list[str]] = {}
    try:
        tree = _SCHEMA().load({key: one.value for key, one in given.items()})
    except ValidationError as error:
        wrong, tree = error.messages_dict, error.valid_data
    values = dict(_flat(tree, [key for key in given if key not in wrong]))
    values |= _derived(home, values)
    found = [(key, message) for key, messages in wrong.items() for message in messages]
    found += find_contradictions(values)
    return values, [f"{given[key].name} {message}." for key, message in found]


def _flat(tree: object, keys: Iterable[str]) -> Iterable[tuple[str, object]]:
    for key in keys:
        value = tree
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else None
        yield key, value


def _derived(home: Path, values: Mapping[str, object]) -> dict[str, object]:
    """Return what keys mean that were left empty."""
    public = str(values.get("public_url", ""))
    meanings = {
        "database.url": sqlite_url(home / "broadcaster.sqlite3"),
        "ledger.origin": f"{urlsplit(public).netloc or 'localhost'}/ledger",
        "organisation.privacy_url": f"{public}/privacy" if public else "",
    }
    return {key: meaning for key, meaning in meanings.items() if values.get(key) == ""}


def _assemble(home: Path, values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    for field in dataclasses.fields(Settings):
        section_class: object = field.default_factory
        if isinstance(section_class, type) and field.name in tree:
            tree[field.name] = section_class(**tree[field.name])
    return Settings(home=home, origins=origins, **tree)
