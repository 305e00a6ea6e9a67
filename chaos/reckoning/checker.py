"""The checker: what was promised, compared with what came of it.

Its model is the checker of Jepsen's test of RabbitMQ: what clients were told is on one
side, what was heard on the other; what is missing was lost, what is too much was
unexpected. The database stands between the two and must agree with both.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.listener import Heard
from chaos.reckoning.ledger import Ledger

Sequences = dict[str, dict[str, set[str]]]
"""By subject and `ce-subjectsequence`, the ids of the events that carry it."""

RECEIVERS: Mapping[str, frozenset[str]] = {
    "email_new_product": frozenset({"catalog.product.post_save"}),
    "email_price_drop": frozenset({"catalog.product.pre_save"}),
    "purge_images": frozenset({"catalog.product.pre_delete", "catalog.image.pre_delete"}),
    "record_views": frozenset({"catalog.product.viewed"}),
}
LAST_WORD = "catalog.product.post_delete"


@dataclass
class Findings:
    """What is wrong, by kind; nothing if all promises were kept."""

    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    """Effects in a database that one event had more than once."""
    left_over: list[str] = field(default_factory=list)
    """What should have been drained, purged or ended."""

    def all(self) -> list[str]:
        kinds = vars(self).items()
        return [f"{kind.replace('_', ' ')}: {what}" for kind, found in kinds for what in found]


@dataclass(frozen=True)
class Records:
    """What the databases and the mail server hold once all is drained."""

    versions: Mapping[str, int]
    """Of the products that exist."""
    inbox: Mapping[str, Mapping[str, str]]
    """By receiver, the state of every event id."""
    view_counts: Mapping[str, int]
    notifications: Mapping[tuple[str, str], str]
    """By event id and recipient, the state."""
    message_ids: Counter[str]
    """Accepted by the mail server, the product of event and subscription before the `@`."""
    emails: Mapping[str, tuple[str, str]]
    """By message id, the event id and the recipient of each notification."""


def first_copies(heard: Iterable[Heard]) -> list[Heard]:
    """Leave out repeats, which are known by their id."""
    found: dict[str, Heard] = {}
    for copy in heard:
        found.setdefault(copy.id, copy)
    return [*found.values()]


def check(ledger: Ledger, heard: Iterable[Heard], records: Records) -> Findings:
    """Compare all sides."""
    findings = Findings()
    events = first_copies(heard)
    check_order(events, findings)
    check_history(events, records.versions, findings)
    check_clients(ledger, events, records.versions, findings)
    check_inbox(events, records.inbox, findings)
    check_views(events, records.view_counts, findings)
    check_notifications(events, records, findings)
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


def check_notifications(events: Iterable[Heard], records: Records, findings: Findings) -> None:
    """Whoever should be told was told, by a row and by an email."""
    wanted = {pair for event in events for pair in _recipients(event)}
    rows = records.notifications
    findings.lost += [f"no notification of {pair}" for pair in sorted(wanted - rows.keys())]
    findings.unexpected += [f"a notification of {pair}" for pair in sorted(rows.keys() - wanted)]
    for message_id, pair in records.emails.items():
        state, sent = rows[pair], records.message_ids[message_id]
        if state == "pending":
            findings.left_over.append(f"the email {message_id} waits")
        if state == "sent" and not sent:
            findings.lost.append(f"the email {message_id} that is recorded as sent")
    findings.unexpected += [
        f"an email {each}" for each in sorted(records.message_ids.keys() - records.emails.keys())
    ]


def _recipients(event: Heard) -> list[tuple[str, str]]:
    if event.routing_key == "catalog.product.post_save" and event.data["created"]:
        return [(event.id, "ann@example.com")]
    if event.routing_key == "catalog.product.pre_save":
        change: dict[str, Any] | None = (event.data["changes"] or {}).get("price")
        if change is not None and float(change["to"]) < float(change["from"]):
            return [(event.id, "bob@example.com")]
    return []


def repeated(message_ids: Counter[str]) -> int:
    """How many emails came more than once, each further copy counted."""
    return sum(times - 1 for times in message_ids.values())
