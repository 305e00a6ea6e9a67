"""Kinds of events: what the body of each holds."""

from typing import NamedTuple

from pydantic import BaseModel

from heliograph.contract import Contract


class EventKind(NamedTuple):
    """What all events of a signal and a sender have in common."""

    signal: str
    """The signal's name."""
    contract: type[Contract]
    """What its snapshots are."""
    data: type[BaseModel] | None = None
    """What it carries besides; None if nothing."""
