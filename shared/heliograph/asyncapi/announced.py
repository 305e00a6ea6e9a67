"""Which events a service announces."""

from typing import NamedTuple

from pydantic import BaseModel

from heliograph.contract import Contract
from heliograph.events import event_type, exchange, routing_key


class Announced(NamedTuple):
    """A signal about a sender, as some service announces it."""

    signal: str
    sender: type[Contract]
    carries: type[BaseModel] | None = None
    """What its events hold as `data`."""
    ordered: bool | None = True
    """False if its events have no order, None where a reader does not know."""

    @property
    def key(self) -> str:
        """The routing key of its events."""
        return routing_key(self.sender.sender_name, self.signal)

    @property
    def type(self) -> str:
        """The `ce-type` of its events."""
        return event_type(self.sender.sender_name, self.signal)

    @property
    def exchange(self) -> str:
        """The exchange on which they leave."""
        return exchange(self.sender.sender_name)

    @property
    def service(self) -> str:
        """The service that announces it."""
        return self.sender.sender_name.partition(".")[0]

    @property
    def title(self) -> str:
        """The name of its body in programs: `ProductPostSave`."""
        noun = self.sender.sender_name.partition(".")[2]
        return camel(f"{noun}_{self.signal}")


def camel(name: str) -> str:
    """Write words that are joined by points and underscores as the name of a class."""
    words = name.replace(".", "_").split("_")
    return "".join(word[:1].upper() + word[1:] for word in words)
