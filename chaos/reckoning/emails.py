"""What emails said: each was true when it was claimed, and none came above what is allowed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from chaos.people import BURST, COOLDOWN_S
from chaos.reckoning.findings import Findings
from chaos.reckoning.history import Life
from chaos.reckoning.mailbox import Email, Shown
from chaos.reckoning.told import Row, Told
from services.notifier.emails.facts import SHOWN
from services.notifier.sending.pace import HOUR

COMMIT_S = 1.0
"""Within which what is about to be committed can be read by others."""


def check_emails(told: Told, findings: Findings) -> None:
    """Each email was true as far as the notifier had heard, and there are not too many."""
    for message_id, email in told.emails.items():
        lead = told.leads.get(message_id)
        if lead is not None:
            findings.unexpected += [f"{what}: {lead}" for what in _wrong_with(told, lead, email)]
    findings.unexpected += _too_many(told)


def _wrong_with(told: Told, lead: Row, email: Email) -> Iterator[str]:
    if len({copy.raw for copy in email.copies}) > 1:
        yield "came again with other words"
    lives = {life.name: life for life in told.history.lives.values()}
    together = told.together(lead)
    # Who waits for a target is told without a fall if it is met from the start.
    olds = {row.old_minor for row in together}
    shown = email.shown()
    if not shown:
        yield f"tells nothing: {email.subject}"
    for each in shown:
        life = lives.get(each.name)
        if life is None:
            yield f"tells of no product: {each.name}"
            continue
        noted = [row.event_id for row in together if row.product_id == life.product]
        # What noted a target that is met is its subscription, which is no event.
        known = told.history.sequences
        sequences = [known[each_id] for each_id in noted if each_id in known]
        if not noted and lead.topic != "digest":
            yield f"tells of what nobody noted: {each.name}"
        yield from _false(each, life, max(sequences, default=""))
        if lead.topic == "price_drop" and each.old is None and None not in olds:
            yield f"tells of no fall: {email.subject}"
        if _was_gone(told, life.product, lead.told_at):
            yield f"told of {each.name} though it was gone"
    if lead.topic == "new_product" and lead.state == "sent":
        of = len(shown) + email.more()
        if of != len(together) or len(shown) != min(of, SHOWN):
            yield f"shows {len(shown)} and {email.more()} more, of {len(together)}"


def _false(shown: Shown, life: Life, since: str) -> Iterator[str]:
    """A price that the product did not have since the newest event that is told."""
    new, old = shown.new, shown.old
    prices = life.since(since)
    if new is not None and new not in {(each.minor, each.currency) for each in prices}:
        yield f"tells {new} of {shown.name}, which had {prices}"
    if new is not None and old is not None:
        if old.minor not in life.had(old.currency):
            yield f"tells of {old} before of {shown.name}, which had {life.prices}"
        if old.currency != new.currency or old.minor <= new.minor:
            yield f"tells of a fall from {old} to {new}"


def _was_gone(told: Told, product: str, told_at: datetime | None) -> bool:
    """Whether the notifier had surely heard that, when the email was claimed."""
    heard = told.gone_at.get(product)
    if heard is None or told_at is None or told_at < heard:
        return False
    # The database's clock may have jumped in between, by whole hours.
    return (told_at - heard).total_seconds() % HOUR > COMMIT_S


def _too_many(told: Told) -> Iterator[str]:
    """Price emails of one product within the cool-down, and bursts above what is allowed."""
    dates: dict[tuple[str, str, str | None], list[datetime]] = defaultdict(list)
    for message_id, email in told.emails.items():
        lead = told.leads.get(message_id)
        if lead is not None and lead.topic in ("price_drop", "new_product"):
            product = lead.product_id if lead.topic == "price_drop" else None
            dates[lead.topic, lead.email, product].append(email.date)
    for (topic, person, product), moments in dates.items():
        most, within = (1, COOLDOWN_S) if topic == "price_drop" else (BURST, HOUR)
        for first in _crowded(moments, most, within):
            yield f"more than {most} of {topic} {product or ''} to {person} from {first} on"


def _crowded(moments: Iterable[datetime], most: int, within: float) -> Iterator[datetime]:
    """Whenever more than so many begin within so many seconds."""
    ordered: Sequence[datetime] = sorted(moments)
    for first, later in zip(ordered, ordered[most:], strict=False):
        # Both are cut off to the second, and so is what lies between them.
        if (later - first).total_seconds() < within:
            yield first
