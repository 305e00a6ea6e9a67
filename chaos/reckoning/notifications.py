"""What the notifier noted and what became of it: what must, may and must not arrive.

Every row of its ledger stands for one thing that one person was to be told. What the catalog
committed says which rows there must be, and which of them may have been cancelled; the mail
server says which emails came.
"""

from collections.abc import Iterator, Sequence

from chaos.people import Wish
from chaos.reckoning.findings import Findings
from chaos.reckoning.history import Life
from chaos.reckoning.told import Row, Told
from services.notifier.sending import review

NEVER = "550 5.7.1 Never"
"""How the mail server refuses for good."""
TOPICS = ("new_product", "price_drop")


def check_notifications(told: Told, watched: Sequence[str], findings: Findings) -> None:
    """Whoever should be told is noted, and each row came to an end that is one.

    `watched` are products that were there before anybody subscribed.
    """
    _check_noted(told, watched, findings)
    for row in told.rows.values():
        _check_end(told, row, findings)
    for message_id in sorted(told.emails.keys() - told.leads.keys()):
        findings.unexpected.append(f"an email {message_id}")
    for wish in told.wishes:
        if (wish.topic, wish.product, wish.frequency) == ("price_drop", None, "instant"):
            _check_last_drops(told, wish, findings)


def _check_noted(told: Told, watched: Sequence[str], findings: Findings) -> None:
    wanted: set[tuple[str, str, str]] = set()
    digests = {row.email for row in told.rows.values() if row.topic == "digest"}
    for wish in told.wishes:
        for life in told.history.lives.values():
            news = set(_news(wish, life, watched))
            if wish.frequency == "instant":
                wanted |= {(event_id, wish.email, wish.topic) for event_id in news}
            elif news and wish.email not in digests and _lasts(wish, life):
                findings.lost.append(f"no digest for {wish.email} of {life.name}")
    rows = {(_event_of(told, row), row.email, row.topic) for row in told.rows.values()}
    noted = {each for each in rows if each[2] in TOPICS}
    findings.lost += [f"no notification of {each}" for each in sorted(wanted - noted)]
    findings.unexpected += [f"a notification of {each}" for each in sorted(noted - wanted)]


def _event_of(told: Told, row: Row) -> str:
    """What happened; a target that was met is noted under its subscription."""
    life = told.life(row) if row.event_id == row.subscription_id else None
    return life.created if life and life.created else row.event_id


def _news(wish: Wish, life: Life, watched: Sequence[str]) -> Iterator[str]:
    """The events of a product that somebody is to be told of."""
    if life.created and life.product not in watched and wish.topic == "new_product":
        yield life.created
    if life.created and life.product == wish.product and wish.is_met:
        yield life.created
    for drop in life.drops():
        if wish.wants(life.product, drop.currency, drop.old, drop.new):
            yield drop.event_id


def _lasts(wish: Wish, life: Life) -> bool:
    """Whether a digest has something to tell, whenever it is made after the last change."""
    if life.gone or wish.topic == "new_product":
        return not life.gone
    now = life.prices[-1]
    olds = [each.old for each in life.drops() if each.currency == now.currency]
    return now.minor < min(olds, default=0)


def _check_end(told: Told, row: Row, findings: Findings) -> None:
    lead = told.rows.get(row.told_by) if row.told_by is not None else row
    came = row.message_id in told.emails
    if row.state == "pending":
        findings.left_over.append(f"waits: {row}: {row.reason}")
    elif row.state == "cancelled":
        if came:
            findings.unexpected.append(f"it came: {row}: {row.reason}")
        if not _may_be_cancelled(told, row):
            findings.lost.append(f"cancelled without a cause: {row}: {row.reason}")
    elif lead is None or lead.state != row.state:
        findings.unexpected.append(f"not as what tells it: {row}, told by {lead}")
    elif row.state == "sent" and lead.message_id not in told.emails:
        findings.lost.append(f"never came: {lead}")
    elif row.state == "failed" and not (row.reason or "").startswith(NEVER):
        findings.lost.append(f"failed: {row}: {row.reason}")


def _may_be_cancelled(told: Told, row: Row) -> bool:
    """Whether what the catalog committed at the row's event or later bears the reason out."""
    life, reason = told.life(row), row.reason or ""
    if row.topic == "digest":
        return reason == "nothing of it is true any longer"
    if life is None or reason == review.GONE:
        return life is not None and life.gone
    later = life.since(told.history.sequences.get(row.event_id, ""))
    currency = later[0].currency
    bounds = {
        "the price is no longer lower": row.old_minor,
        "the price is no lower than the one that was told before": min(
            told.prices(row, currency), default=None
        ),
        "the target is no longer met": told.target(row),
    }
    if any(each.currency != currency for each in later):
        # What waits for one person is judged together, by the price in the currency of then.
        return reason in bounds or reason.startswith("the price is in ")
    bound = bounds.get(reason)
    return bound is not None and any(each.minor >= bound for each in later)


def _check_last_drops(told: Told, wish: Wish, findings: Findings) -> None:
    """The last drop of each price that is still lower has been told, or nothing new was left."""
    rows = {row.event_id: row for row in told.rows.values() if row.email == wish.email}
    for life in told.history.lives.values():
        drop = life.last_drop()
        row = rows.get(drop.event_id) if drop else None
        if drop and row and row.state == "cancelled":
            known = told.prices(row, drop.currency)
            if not known or min(known) > life.prices[-1].minor:
                findings.lost.append(f"the last drop was never told: {row}: {row.reason}")
