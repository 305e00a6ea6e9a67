"""The checker: what was promised, compared with what came of it.

Its model is the checker of Jepsen's test of RabbitMQ: what clients were told is on one
side, what was heard on the other; what is missing was lost, what is too much was
unexpected. The database stands between the two and must agree with both.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chaos.listener import Heard
from chaos.people import Wish
from chaos.reckoning.emails import check_emails
from chaos.reckoning.findings import Findings
from chaos.reckoning.history import LAST_WORD, History
from chaos.reckoning.ledger import Ledger
from chaos.reckoning.mailbox import Email
from chaos.reckoning.notifications import check_notifications
from chaos.reckoning.told import Row, Told

Sequences = dict[str, dict[str, set[str]]]
"""By subject and `ce-subjectsequence`, the ids of the events that carry it."""

RECEIVERS: Mapping[str, frozenset[str]] = {
    "email_new_product": frozenset({"catalog.product.post_save", "catalog.product.post_delete"}),
    "email_price_drop": frozenset({"catalog.product.pre_save"}),
    "purge_images": frozenset({"catalog.product.pre_delete", "catalog.image.pre_delete"}),
    "record_views": frozenset({"catalog.product.viewed"}),
}


@dataclass(frozen=True)
class Records:
    """What the databases and the mail server hold once all is drained."""

    versions: Mapping[str, int]
    """Of the products that exist."""
    inbox: Mapping[str, Mapping[str, str]]
    """By receiver, the state of every event id."""
    view_counts: Mapping[str, int]
    notifications: Sequence[Row]
    """The notifier's ledger."""
    emails: Mapping[str, Email]
    """What the mail server took, by `Message-ID` up to the `@`."""
    gone_at: Mapping[str, datetime]
    """When the notifier heard that a product is gone, by its database's clock."""


def first_copies(heard: Iterable[Heard]) -> list[Heard]:
    """Leave out repeats, which are known by their id."""
    found: dict[str, Heard] = {}
    for copy in heard:
        found.setdefault(copy.id, copy)
    return [*found.values()]


def check(
    ledger: Ledger,
    heard: Iterable[Heard],
    records: Records,
    *,
    wishes: Sequence[Wish] = (),
    watched: Sequence[str] = (),
) -> Findings:
    """Compare all sides; `watched` are products that were there before anybody subscribed."""
    findings = Findings()
    events = first_copies(heard)
    check_order(events, findings)
    check_history(events, records.versions, findings)
    check_clients(ledger, events, records.versions, findings)
    check_inbox(events, records.inbox, findings)
    check_views(events, records.view_counts, findings)
    told = Told(History(events), wishes, records.notifications, records.emails, records.gone_at)
    check_notifications(told, watched, findings)
    check_emails(told, findings)
    return findings


def check_order(events: Iterable[Heard], findings: Findings) -> None:
    """First copies of a product's events leave in the order of its commits."""
    last: dict[str, str] = {}
    for event in events:
        if event.sequence is None:
            continue
        before = last.get(event.subject, "")
        if event.sequence <= before:
            findings.out_of_order.append(f"{event.subject}: {event.sequence} after {before}")
        last[event.subject] = max(event.sequence, before)


def check_history(events: Iterable[Heard], versions: Mapping[str, int], findings: Findings) -> None:
    """Every version of every product was announced, by two events, and none besides.

    The last of a deleted one has as many as its last event says: those of its images come before.
    """
    seen: Sequences = defaultdict(lambda: defaultdict(set))
    ended: dict[str, tuple[int, int]] = {}
    for event in events:
        if event.sequence is not None:
            seen[event.subject][event.sequence].add(event.id)
            if event.routing_key == LAST_WORD:
                version, _, place = event.sequence.partition(".")
                ended[event.subject] = int(version), int(place)
    for subject in {*seen, *versions}:
        if subject not in versions and subject not in ended:
            findings.unexpected.append(f"{subject}: announced, but neither there nor deleted")
            continue
        last, final = ended.get(subject, (0, 0))
        last = versions.get(subject, last)
        wanted = {f"{number:012d}.{place:04d}" for number in range(1, last + 1) for place in (0, 1)}
        wanted |= {f"{last:012d}.{place:04d}" for place in range(final + 1)}
        found = seen[subject]
        findings.lost += [f"{subject}: {each}" for each in sorted(wanted - found.keys())]
        findings.unexpected += [f"{subject}: {each}" for each in sorted(found.keys() - wanted)]
        findings.unexpected += [
            f"{subject}: {sequence} by {len(ids)} events"
            for sequence, ids in found.items()
            if len(ids) > 1
        ]
        if subject in versions and subject in ended:
            findings.unexpected.append(f"{subject}: announced as deleted, but there")


def check_clients(
    ledger: Ledger, events: Collection[Heard], versions: Mapping[str, int], findings: Findings
) -> None:
    """What a client was told is what was announced."""
    marked = Counter(filter(None, map(_marker, events)))
    deleted = {event.subject for event in events if event.routing_key == LAST_WORD}
    for entry in ledger.entries:
        what = f"{entry.kind} {entry.marker} of {entry.product} ({entry.outcome})"
        if entry.kind in ("create", "update"):
            times = marked[entry.marker]
            if entry.outcome == "ok" and not times:
                findings.lost.append(what)
            if times > (entry.outcome != "refused"):
                findings.unexpected.append(f"{what}: announced {times} times")
        elif entry.kind == "delete" and entry.outcome == "ok":
            if entry.product not in deleted:
                findings.lost.append(what)
            if entry.product in versions:
                findings.unexpected.append(f"{what}: still there")


def _marker(event: Heard) -> str | None:
    """The marker of the change that the event announces, if it has one."""
    if event.routing_key != "catalog.product.post_save":
        return None
    data = event.data
    if data["created"] or "description" in (data["changes"] or {}):
        return str(data["instance"]["description"])
    return None


def check_inbox(
    events: Iterable[Heard], inbox: Mapping[str, Mapping[str, str]], findings: Findings
) -> None:
    """Every receiver is done with every event it listens to, and with no other."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for event in events:
        by_key[event.routing_key].add(event.id)
    for receiver, keys in RECEIVERS.items():
        rows = inbox.get(receiver, {})
        wanted = set[str]().union(*(by_key[key] for key in keys))
        findings.lost += [f"{receiver} never got {each}" for each in sorted(wanted - rows.keys())]
        findings.unexpected += [f"{receiver} got {each}" for each in sorted(rows.keys() - wanted)]
        findings.left_over += [
            f"{receiver} is not done with {each}: {state}"
            for each, state in rows.items()
            if state != "done"
        ]


def check_views(events: Iterable[Heard], counts: Mapping[str, int], findings: Findings) -> None:
    """Every view that was announced is counted once."""
    announced = Counter(e.subject for e in events if e.routing_key == "catalog.product.viewed")
    for product in {*announced, *counts}:
        counted = counts.get(product, 0)
        if counted > announced[product]:
            findings.twice.append(f"views of {product}: {counted}, not {announced[product]}")
        if counted < announced[product]:
            findings.lost.append(f"views of {product}: {counted}, not {announced[product]}")
