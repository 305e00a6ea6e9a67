"""The composer: makes the email of a notification."""

from decimal import Decimal
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from services.notifier.emails import NewProductEmail, PriceDropEmail, render
from services.notifier.repositories.outgoing import Due
from shared import contracts


class Composer:
    """Composes the same email, with the same Message-ID, however often it is asked."""

    def __init__(self, mail_from: str, public_url: str) -> None:
        self._mail_from = mail_from
        self._domain = parseaddr(mail_from)[1].rpartition("@")[2]
        self._public_url = public_url

    def compose(self, due: Due) -> EmailMessage:
        """Raises MailRefused, or ValueError if what is stored cannot be read."""
        product = contracts.Product.model_validate_json(due.product)
        common: dict[str, Any] = {
            "product": product,
            "mail_from": self._mail_from,
            "recipient": due.email,
            "message_id": f"<{due.event_id}.{due.subscription_id}@{self._domain}>",
            "date": due.created_at,
            "unsubscribe_url": f"{self._public_url}/unsubscribe/{due.unsubscribe_token}",
        }
        if due.topic == "new_product" or due.old_price is None:
            return render(NewProductEmail(**common))
        return render(
            PriceDropEmail(**common, old_price=Decimal(due.old_price), new_price=product.price)
        )
