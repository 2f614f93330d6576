"""Where values come from: shipped file, own file, environment, files that variables name."""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broadcaster.settings.declaration import Declaration

PREFIX = "BROADCASTER_"
HOME = "BROADCASTER_HOME"
# Twilio's own names, as its documentation and tools use them; ours are stronger.
ALIASES = {
    "TWILIO_ACCOUNT_SID": "twilio.account_sid",
    "TWILIO_AUTH_TOKEN": "twilio.auth_token",
}
KEY_FILES = {
    "secrets.master_key": "master.key",
    "secrets.session_key": "session.key",
    "secrets.ledger_key": "ledger.key",
}
_LARGEST_FILE = 1 << 20
_FILE = "_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value as somebody wrote it.

    Args:
        value: what was written.
        name: the key as it was set, for a fault.
        origin: where it stands, for ``config show``.
    """

    value: object = field(repr=False)
    name: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one source says, and what is wrong with it.

    Args:
        given: values by key; only known keys.
        faults: one sentence each.
    """

    given: dict[str, Given] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


Catalogue = Mapping[str, Declaration]


def _nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Offer the nearest known name; what all names begin with counts for nothing."""
    ends = [one.removeprefix(prefix) for one in known]
    close = difflib.get_close_matches(word.removeprefix(prefix), ends, n=1, cutoff=0.6)
    return f"did you mean {prefix}{close[0]}?" if close else "see 'broadcaster config reference'."


def _read_text(path: Path) -> str:
    """Read a file of settings.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "bad name"
        message = f"cannot be read ({reason.lower()}); check the path and who may read it"
        raise ValueError(message) from error
    if len(data) > _LARGEST_FILE:
        message = "is larger than 1 MB; it is hardly a file of settings"
        raise ValueError(message)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = "is not UTF-8; save it as UTF-8"
        raise ValueError(message) from error


def _exposed(path: Path) -> list[str]:
    """Say what to do if everyone on this machine can read or change a file."""
    if os.name == "posix" and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        return [f"can be read by everyone on this machine; run: chmod 600 {path}"]
    return []


def _flatten(table: Mapping[str, object], sections: set[str]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if name in sections and isinstance(value, dict):
            yield from ((f"{name}.{inner}", found) for inner, found in value.items())
        else:
            yield name, value


def toml_file(path: Path, catalogue: Catalogue) -> Layer:
    """Read a TOML file; unknown keys are faults, and so are secrets that everyone may read."""
    try:
        table = tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        return Layer(faults=[f"{path} is not valid TOML: {error}; correct that line."])
    except ValueError as error:
        return Layer(faults=[f"{path} {error}."])
    layer = Layer()
    sections = {key.split(".")[0] for key in catalogue if "." in key}
    for key, value in _flatten(table, sections):
        if key in sections:
            layer.faults.append(f"{key} in {path} must be a table; write [{key}] above its keys.")
        elif key not in catalogue:
            known = sections if isinstance(value, dict) else catalogue
            layer.faults.append(f"{key} in {path} is no setting; {_nearest(key, known)}")
        else:
            layer.given[key] = Given(value=value, name=f"{key} in {path}", origin=str(path))
    if any(catalogue[key].form.secret and given.value for key, given in layer.given.items()):
        layer.faults.extend(f"{path} holds a secret and {reason}." for reason in _exposed(path))
    return layer


def aliases(environ: Mapping[str, str]) -> Layer:
    """Read the variables that Twilio's own tools use."""
    return Layer(
        given={
            key: Given(value=environ[name], name=name, origin=f"environment {name}")
            for name, key in ALIASES.items()
            if environ.get(name)
        }
    )


def environment(environ: Mapping[str, str], catalogue: Catalogue) -> Layer:
    """Read ``BROADCASTER_…`` and then ``BROADCASTER_…_FILE``; unknown ones are faults."""
    variables = {declaration.variable: key for key, declaration in catalogue.items()}
    layer = Layer()
    named_files: list[tuple[str, str]] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == HOME:
            continue
        if name in variables:
            layer.given[variables[name]] = Given(
                value=environ[name], name=name, origin=f"environment {name}"
            )
        elif name.endswith(_FILE) and name.removesuffix(_FILE) in variables:
            named_files.append((name, variables[name.removesuffix(_FILE)]))
        else:
            layer.faults.append(
                f"{name} is no setting; {_nearest(name, [*variables, HOME], PREFIX)}"
            )
    for name, key in named_files:
        _add_file(layer, key, Path(environ[name]), name, secret=catalogue[key].form.secret)
    return layer


def key_files(home: Path, wanted: Iterable[str]) -> Layer:
    """Read the keys that 'broadcaster init' has put into the home directory, where there are any.

    Args:
        home: the home directory.
        wanted: the keys that nothing else has set.
    """
    layer = Layer()
    for key in sorted(KEY_FILES.keys() & set(wanted)):
        path = home / "keys" / KEY_FILES[key]
        if path.exists():
            _add_file(layer, key, path, f"{key} in {path}", secret=True)
    return layer


def _add_file(layer: Layer, key: str, path: Path, name: str, *, secret: bool) -> None:
    try:
        text = _read_text(path)
        exposed = _exposed(path) if secret else []
    except ValueError as error:
        layer.faults.append(f"{name}: {path} {error}.")
        return
    layer.faults.extend(f"{name}: {path} {reason}." for reason in exposed)
    layer.given[key] = Given(value=text.rstrip("\r\n"), name=name, origin=f"file {path}")
