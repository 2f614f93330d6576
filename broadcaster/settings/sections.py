"""The settings themselves: frozen values by section, each with its form and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broadcaster.settings import form, key, url, witness
from broadcaster.settings.declaration import read_as
from broadcaster.settings.errors import SettingsError
from broadcaster.settings.organisation import Organisation
from broadcaster.settings.secret import UNSET, Secret

_NEEDED = {
    "public_url": "write the https address at which Twilio reaches this server",
    "twilio.account_sid": "copy it from the first page of Twilio's console",
    "twilio.auth_token": "copy it from the first page of Twilio's console",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where everything is kept."""

    url: str = field(
        default="",
        repr=False,
        metadata=read_as(
            url.database_url(),
            "The database. Empty: the SQLite file broadcaster.sqlite3 in BROADCASTER_HOME.",
        ),
    )
    pool_size: int = field(
        default=10,
        metadata=read_as(
            form.whole(1, 200), "Connections that one process keeps open (PostgreSQL)."
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """The provider that carries messages."""

    account_sid: str = field(
        default="", metadata=read_as(key.account_sid(), "The account, from Twilio's console.")
    )
    auth_token: Secret = field(
        default=UNSET,
        metadata=read_as(
            key.token(), "The account's token; it also proves that a webhook is Twilio's."
        ),
    )
    auth_token_secondary: Secret = field(
        default=UNSET,
        metadata=read_as(
            key.token(), "A second token whose signatures count too, while tokens change."
        ),
    )
    api_base: str = field(
        default="https://api.twilio.com",
        metadata=read_as(url.origin_url("https://api.twilio.com"), "Where Twilio's REST API is."),
    )
    timeout: float = field(
        default=10.0,
        metadata=read_as(form.seconds(1, 30), "How long to wait for an answer of the REST API."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The keys of this installation; each is read from a file in BROADCASTER_HOME/keys if empty."""

    master_key: Secret = field(
        default=UNSET,
        metadata=read_as(key.master_key(), "Seals personal data. Empty: the file keys/master.key."),
    )
    session_key: Secret = field(
        default=UNSET,
        metadata=read_as(
            key.session_key(), "Signs session cookies. Empty: the file keys/session.key."
        ),
    )
    ledger_key: Secret = field(
        default=UNSET,
        metadata=read_as(key.signer_key(), "Signs checkpoints. Empty: the file keys/ledger.key."),
    )
    key_store: str = field(
        default="",
        metadata=read_as(
            form.text(),
            "The file with the keys that erasures destroy, the same one for all machines. Empty: "
            "keys/subjects.keys.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The consent ledger."""

    origin: str = field(
        default="",
        metadata=read_as(
            form.text(),
            "The ledger's name in its checkpoints; never change it. "
            "Empty: the host of public_url and /ledger.",
        ),
    )
    publish: str = field(
        default="entries",
        metadata=read_as(
            form.choice("entries", "hashes", "nothing"),
            "What anyone may read of it below /ledger/tile: entries hold no number and no text, but "
            "random numbers for people, and when they joined and left which list.",
        ),
    )
    witnesses: tuple[str, ...] = field(
        default=(),
        metadata=read_as(
            witness.witnesses(),
            "Who signs our checkpoints, so that nobody can be shown another history: "
            "the address, a space, and the public key (C2SP tlog-witness).",
        ),
    )
    import_years: int = field(
        default=5,
        metadata=read_as(
            form.whole(0, 100),
            "How many years ago a person may have agreed to be imported now; 0: any time ago.",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How bulletins go out."""

    concurrency: int = field(
        default=50,
        metadata=read_as(form.whole(1, 1000), "Requests under way at once in a process."),
    )
    lease: float = field(
        default=10.0,
        metadata=read_as(
            form.seconds(2, 60), "How long a claim keeps a delivery from other workers."
        ),
    )
    begin_within: float = field(
        default=1.0,
        metadata=read_as(
            form.seconds(0.2, 1.5),
            "How soon after it was handed over a request must begin, or it does not.",
        ),
    )
    opt_out_wait: float = field(
        default=2.0,
        metadata=read_as(
            form.seconds(0.3, 5.0),
            "How long the answer to a stop waits for hand-overs under way; longer than begin_within.",
        ),
    )
    whatsapp_rate: float = field(
        default=80.0,
        metadata=read_as(
            form.amount("a number", 0, 10_000),
            "Messages a second of a WhatsApp sender that has no rate of its own; 0 is no limit.",
        ),
    )
    sms_rate: float = field(
        default=10.0,
        metadata=read_as(
            form.amount("a number", 0, 10_000),
            "SMS segments a second of a sender that has no rate of its own; 0 is no limit.",
        ),
    )
    whatsapp_daily_limit: int = field(
        default=250,
        metadata=read_as(
            form.whole(0, 10_000_000),
            "People whom a WhatsApp sender may write to outside their 24-hour window within "
            "24 hours; 0 is no limit. Meta raises it by itself: see your WhatsApp Manager.",
        ),
    )
    settle: float = field(
        default=600.0,
        metadata=read_as(
            form.seconds(1, 86_400),
            "Seconds after which the provider's list must show a message it took, or did not take it.",
        ),
    )
    on_uncertain: str = field(
        default="look_up",
        metadata=read_as(
            form.choice("look_up", "hold"),
            "When nobody knows whether the provider took a message: look it up in the provider's "
            "list, or hold it for a person.",
        ),
    )
    expires_minutes: int = field(
        default=240,
        metadata=read_as(
            form.whole(1, 600),
            "How long after its start a bulletin may still go out, where its editor chose nothing.",
        ),
    )
    failure_percent: int = field(
        default=25,
        metadata=read_as(
            form.whole(0, 100),
            "A bulletin holds when more of its messages fail, or get no clear answer, at least 20;"
            " 0 is never.",
        ),
    )
    review_unreached: int = field(
        default=5,
        metadata=read_as(
            form.whole(0, 1000),
            "After so many bulletins in a row that did not reach a person, the desk says so; 0 is"
            " never.",
        ),
    )
    grace_minutes: int = field(
        default=15,
        metadata=read_as(
            form.whole(1, 1440), "How late a bulletin may start without a person saying so."
        ),
    )
    max_days_ahead: int = field(
        default=366,
        metadata=read_as(
            form.whole(1, 3660), "How far ahead a bulletin may be scheduled, in days."
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The web server."""

    host: str = field(
        default="127.0.0.1", metadata=read_as(form.host(), "The address to listen on.")
    )
    port: int = field(
        default=8000, metadata=read_as(form.whole(1, 65535), "The port to listen on.")
    )
    threads: int = field(
        default=16, metadata=read_as(form.whole(1, 256), "Requests answered at once.")
    )
    proxy_hops: int = field(
        default=0,
        metadata=read_as(
            form.whole(0, 5), "How many proxies of your own stand in front; 0 believes no header."
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How long somebody stays signed in."""

    idle_minutes: int = field(
        default=30, metadata=read_as(form.whole(5, 1440), "Minutes without a click until sign-out.")
    )
    absolute_hours: int = field(
        default=12, metadata=read_as(form.whole(1, 24), "Hours until sign-out in any case.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is logged; never numbers or texts."""

    level: str = field(
        default="INFO",
        metadata=read_as(
            form.choice("DEBUG", "INFO", "WARNING", "ERROR"), "The least important event kept."
        ),
    )
    format: str = field(
        default="json",
        metadata=read_as(form.choice("json", "console"), "json for machines, console for people."),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, checked and complete.

    Args:
        home: the directory for keys, the SQLite file and config.toml.
        origins: where each key's value comes from, by key.
    """

    home: Path
    mode: str = field(
        default="live",
        metadata=read_as(form.choice("live", "demo"), "live, or demo: on a simulated Twilio only."),
    )
    engine: str = field(
        default="embedded",
        metadata=read_as(
            form.choice("embedded", "distributed"),
            "What runs the background work: embedded in one process, or distributed over as many "
            "workers as wanted, which needs PostgreSQL.",
        ),
    )
    public_url: str = field(
        default="",
        metadata=read_as(
            url.origin_url("https://news.example.org"),
            "The address at which Twilio and people reach this server, without a path.",
        ),
    )
    organisation: Organisation = field(default_factory=Organisation)
    database: Database = field(default_factory=Database)
    twilio: Twilio = field(default_factory=Twilio)
    secrets: Secrets = field(default_factory=Secrets)
    ledger: Ledger = field(default_factory=Ledger)
    sending: Sending = field(default_factory=Sending)
    web: Web = field(default_factory=Web)
    session: Session = field(default_factory=Session)
    log: Log = field(default_factory=Log)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_demo(self) -> bool:
        """Whether everything runs on a simulated Twilio."""
        return self.mode == "demo"

    def value_of(self, dotted: str) -> object:
        """Return the value of a key such as ``web.port``."""
        value: object = self
        for part in dotted.split("."):
            value = getattr(value, part)
        return value

    def require_live(self) -> None:
        """Make sure that everything is set that talking with Twilio needs.

        Raises:
            SettingsError: lists every key that is missing.
        """
        faults = missing({dotted: self.value_of(dotted) for dotted in _NEEDED})
        if faults:
            raise SettingsError(faults)


def missing(values: Mapping[str, object]) -> list[str]:
    """List the faults of keys that talking with Twilio needs and that are among these, but empty."""
    return [
        f"{dotted} (BROADCASTER_{dotted.upper().replace('.', '__')}) is not set; {remedy}."
        for dotted, remedy in _NEEDED.items()
        if dotted in values and not values[dotted]
    ]
