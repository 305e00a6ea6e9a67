"""The inbox: every event once per receiver, until its receiver is done with it."""

from heliograph.inbox.consumer import Consumer
from heliograph.inbox.handlings import HandlingState
from heliograph.inbox.inbox import Inbox, LeaseLost
from heliograph.inbox.parked import NotWhole, Parked, ParkedInFull, ParkedRows
from heliograph.inbox.table import inbox_table
from heliograph.inbox.worker import RunOutcome, Worker

__all__ = [
    "Consumer",
    "HandlingState",
    "Inbox",
    "LeaseLost",
    "NotWhole",
    "Parked",
    "ParkedInFull",
    "ParkedRows",
    "RunOutcome",
    "Worker",
    "inbox_table",
]
