"""Kinds of events: what all of one kind have in common."""

from typing import NamedTuple

from pydantic import BaseModel

from heliograph.contract import Contract
from heliograph.events.encoding import event_type, exchange, routing_key


class EventKind(NamedTuple):
    """What all events of a signal and a sender have in common, in one version."""

    signal: str
    """The signal's name."""
    contract: type[Contract]
    """What its snapshots are."""
    data: type[BaseModel] | None = None
    """What it carries besides; None if nothing."""
    ordered: bool | None = True
    """False if they have no order; None where a reader does not know."""

    @property
    def key(self) -> str:
        """Their routing key."""
        contract = self.contract
        return routing_key(contract.sender_name, self.signal, contract.contract_version)

    @property
    def type(self) -> str:
        """Their `ce-type`."""
        contract = self.contract
        return event_type(contract.sender_name, self.signal, contract.contract_version)

    @property
    def exchange(self) -> str:
        """The exchange on which they leave."""
        return exchange(self.contract.sender_name)
