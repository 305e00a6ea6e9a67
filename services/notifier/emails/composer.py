"""The composer: puts into words what people are told."""

from collections.abc import Mapping, Sequence
from email.utils import parseaddr
from gettext import NullTranslations
from pathlib import Path
from uuid import UUID

import contracts
from services.notifier.emails.facts import CONFIRM_HOURS, SHOWN, Facts
from services.notifier.emails.head import written_head
from services.notifier.emails.letter import (
    CONFIRM,
    OF_DIGESTS,
    PREFERENCES,
    RECIPIENT,
    UNSUBSCRIBE,
    Letter,
)
from services.notifier.emails.shown import Shown, shown
from services.notifier.emails.templates import Templates
from services.notifier.emails.words import LOCALES, Words

LARGEST = 70_000
"""Bytes that all emails of one letter may share. With the links of its recipient's own, each made
of a public URL of up to 2,000 characters, none is larger than 100,000: mail programs cut what is
larger than 102 kB."""


class Composer:
    """Writes the same letter for the same facts, however often it is asked."""

    def __init__(
        self,
        mail_from: str,
        public_url: str,
        *,
        product_link: str = "",
        templates: Path | None = None,
    ) -> None:
        self._mail_from = mail_from
        self._domain = parseaddr(mail_from)[1].rpartition("@")[2]
        self._public_url = public_url
        self._product_link = product_link
        texts = NullTranslations()
        self._words, self._templates = Words(texts), Templates(texts, templates)

    def letter(self, facts: Facts, products: Mapping[UUID, contracts.Product]) -> Letter:
        """Put the facts into words; `products` has a snapshot for each item.

        Only that of a confirmation may lack one: people may ask for what was not heard of yet.

        Nothing that a product's author writes can add a header, a tag or a line to the subject.
        Raises MailRefused if the sender cannot stand in a header.
        """
        items = [
            shown(item, products[item.product_id], self._product_link)
            for item in facts.items[:SHOWN]
            if item.product_id in products
        ]
        count = facts.more + len(facts.items)
        letter = self._write(facts, items, count - len(items))
        while letter.size > LARGEST and len(items) > 1:
            items.pop()
            letter = self._write(facts, items, count - len(items))
        return letter

    def _write(self, facts: Facts, items: Sequence[Shown], more: int) -> Letter:
        subject = self._words.subject(facts, items, more)
        is_digest = facts.kind == "digest"
        context = {
            "language": facts.locale if facts.locale in LOCALES else LOCALES[0],
            "subject": subject,
            "items": items,
            "more": more,
            "topic": facts.topic,
            "target": self._words.target(facts),
            "recipient": RECIPIENT,
            "unsubscribe_url": UNSUBSCRIBE + OF_DIGESTS if is_digest else UNSUBSCRIBE,
            "preferences_url": PREFERENCES,
        }
        if facts.kind == "confirmation":
            context |= {
                "wish": self._words.wish(facts, items),
                "confirm_url": CONFIRM,
                "hours": CONFIRM_HOURS,
            }
        return Letter(
            written_head(self._mail_from, subject),
            self._templates.text(facts.kind, context),
            self._templates.html(facts.kind, context),
            public_url=self._public_url,
            domain=self._domain,
        )
