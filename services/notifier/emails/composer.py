"""The composer: makes the email of a notification."""

from email.utils import parseaddr
from functools import lru_cache

import contracts
from heliograph.money import from_minor
from services.notifier.emails.letter import Addressee, Letter
from services.notifier.emails.products import NewProductEmail, PriceDropEmail, render
from services.notifier.mail.envelope import Envelope
from services.notifier.models import Kind
from services.notifier.repositories.outgoing import Due

_LETTERS = 16
"""So many events' letters are kept; the emails of one event mostly go out together."""


class Composer:
    """Composes the same email, with the same Message-ID, however often it is asked."""

    def __init__(self, mail_from: str, public_url: str) -> None:
        self._mail_from = mail_from
        self._domain = parseaddr(mail_from)[1].rpartition("@")[2]
        self._public_url = public_url
        self._letter = lru_cache(_LETTERS)(self._write)

    def compose(self, due: Due) -> Envelope:
        """Raises MailRefused, or ValueError if what is stored cannot be read."""
        addressee = Addressee(
            recipient=due.email,
            message_id=f"<{due.event_id}.{due.subscription_id}@{self._domain}>",
            date=due.created_at,
            unsubscribe_url=f"{self._public_url}/unsubscribe/{due.unsubscribe_token}",
        )
        return self._letter(due.topic, due.product, due.old_minor).to(addressee)

    def _write(self, topic: Kind, snapshot: str, old_minor: int | None) -> Letter:
        product = contracts.Product.model_validate_json(snapshot)
        if topic == "new_product" or old_minor is None:
            return render(NewProductEmail(product=product, mail_from=self._mail_from))
        return render(
            PriceDropEmail(
                product=product,
                mail_from=self._mail_from,
                old_price=from_minor(old_minor, product.currency),
                new_price=product.price,
            )
        )
