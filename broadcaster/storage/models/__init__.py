"""All tables, by aggregate."""

from broadcaster.storage.models.auditing import Export, Verification
from broadcaster.storage.models.base import Base
from broadcaster.storage.models.bulletins import (
    Bulletin,
    Delivery,
    Explained,
    StatusEvent,
    Tally,
)
from broadcaster.storage.models.erasing import Erasure, KeyState, Removal, Suppression
from broadcaster.storage.models.imports import Import, ImportRefusal
from broadcaster.storage.models.incidents import Incident
from broadcaster.storage.models.ledger import (
    Checkpoint,
    Document,
    Evidence,
    LedgerEntry,
    LedgerFacet,
    LedgerHead,
    LedgerIndex,
    LedgerTile,
    Opening,
)
from broadcaster.storage.models.lists import BroadcastList, ListSender, Notice, Sender
from broadcaster.storage.models.people import CarrierBlock, Inbound, Subscriber, Subscription
from broadcaster.storage.models.sending import Hearing, Installation, Outreach, Pacing
from broadcaster.storage.models.series import Occurrence, Series
from broadcaster.storage.models.staff import SignInAttempt, StaffSession, User

__all__ = [
    "Base",
    "BroadcastList",
    "Bulletin",
    "CarrierBlock",
    "Checkpoint",
    "Delivery",
    "Document",
    "Erasure",
    "Evidence",
    "Explained",
    "Export",
    "Hearing",
    "Import",
    "ImportRefusal",
    "Inbound",
    "Incident",
    "Installation",
    "KeyState",
    "LedgerEntry",
    "LedgerFacet",
    "LedgerHead",
    "LedgerIndex",
    "LedgerTile",
    "ListSender",
    "Notice",
    "Occurrence",
    "Opening",
    "Outreach",
    "Pacing",
    "Removal",
    "Sender",
    "Series",
    "SignInAttempt",
    "StaffSession",
    "StatusEvent",
    "Subscriber",
    "Subscription",
    "Suppression",
    "Tally",
    "User",
    "Verification",
]
