"""The notifier's ledger beside what happened and what came."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chaos.people import Wish
from chaos.reckoning.history import History, Life
from chaos.reckoning.mailbox import Email


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the notifier's ledger."""

    id: int
    event_id: str
    subscription_id: str
    email: str
    topic: str
    product_id: str | None
    currency: str | None
    old_minor: int | None
    state: str
    told_by: int | None
    told_at: datetime | None
    told_minor: int | None
    told_currency: str | None
    reason: str | None
    sent_at: datetime | None

    @property
    def message_id(self) -> str:
        return f"{self.event_id}.{self.subscription_id}"

    def __str__(self) -> str:
        return f"{self.topic} {self.event_id} to {self.email} (row {self.id}, {self.state})"


class Told:
    """The rows, the emails, and what happened, each to be found from the others."""

    def __init__(
        self,
        history: History,
        wishes: Sequence[Wish],
        rows: Iterable[Row],
        emails: Mapping[str, Email],
        gone_at: Mapping[str, datetime],
    ) -> None:
        self.history = history
        self.wishes = wishes
        self.rows = {each.id: each for each in rows}
        self.emails = emails
        self.gone_at = gone_at
        """When the notifier heard that a product is gone, by its database's clock."""
        self.leads = {each.message_id: each for each in self.rows.values()}
        self._others: dict[int, list[Row]] = defaultdict(list)
        for row in self.rows.values():
            if row.told_by is not None and row.state == "sent":
                self._others[row.told_by].append(row)

    def together(self, lead: Row) -> list[Row]:
        """All that the email of a row tells."""
        return [lead, *self._others[lead.id]]

    def prices(self, row: Row, currency: str) -> list[int]:
        """What this person was told of the product's price in this currency."""
        key = row.email, row.product_id, currency
        return [
            each.told_minor
            for each in self.rows.values()
            if each.told_minor is not None
            and (each.email, each.product_id, each.told_currency) == key
            and each.message_id in self.emails
        ]

    def target(self, row: Row) -> int | None:
        """The price that this person waits for; None for any drop."""
        return next(
            (
                each.target
                for each in self.wishes
                if (each.email, each.product) == (row.email, row.product_id)
            ),
            None,
        )

    def life(self, row: Row) -> Life | None:
        return self.history.lives.get(row.product_id or "")
