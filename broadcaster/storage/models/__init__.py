"""All tables, by aggregate."""

from broadcaster.storage.models.base import Base
from broadcaster.storage.models.bulletins import Bulletin, Delivery, StatusEvent
from broadcaster.storage.models.incidents import Incident
from broadcaster.storage.models.ledger import (
    Checkpoint,
    Document,
    Evidence,
    LedgerEntry,
    LedgerHead,
)
from broadcaster.storage.models.lists import BroadcastList, ListSender, Notice, Sender
from broadcaster.storage.models.people import CarrierBlock, Inbound, Subscriber, Subscription
from broadcaster.storage.models.staff import SignInAttempt, StaffSession, User

__all__ = [
    "Base",
    "BroadcastList",
    "Bulletin",
    "CarrierBlock",
    "Checkpoint",
    "Delivery",
    "Document",
    "Evidence",
    "Inbound",
    "Incident",
    "LedgerEntry",
    "LedgerHead",
    "ListSender",
    "Notice",
    "Sender",
    "SignInAttempt",
    "StaffSession",
    "StatusEvent",
    "Subscriber",
    "Subscription",
    "User",
]
