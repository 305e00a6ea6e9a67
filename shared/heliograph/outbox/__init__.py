"""The outbox: events written in the transaction that they are about, and relayed from there."""

from heliograph.outbox.buffer import EventBuffer
from heliograph.outbox.claims import Claims, claims_for
from heliograph.outbox.outbox import EncodedEvent, Outbox, encode_all
from heliograph.outbox.parked import Parked, ParkedRows
from heliograph.outbox.relay import Failure, Progress, Relay
from heliograph.outbox.table import PARTITIONS, outbox_table, relay_lease_table

__all__ = [
    "PARTITIONS",
    "Claims",
    "EncodedEvent",
    "EventBuffer",
    "Failure",
    "Outbox",
    "Parked",
    "ParkedRows",
    "Progress",
    "Relay",
    "claims_for",
    "encode_all",
    "outbox_table",
    "relay_lease_table",
]
