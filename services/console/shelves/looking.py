"""A look at everything that is parked, wherever it is."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.console.peers import Answer, Peers
from services.console.shelves.parked import Box, ParkedEvent, read_held, read_shelf


@dataclass(frozen=True)
class Look:
    """What was parked at a moment, as far as the services answered."""

    events: Sequence[ParkedEvent]
    missing: Sequence[Answer[Any]]
    """Of each service that did not tell all, the first of its answers that is missing."""
    partial: Sequence[tuple[str, Box]]
    """Where more is parked than was read."""
    held: Mapping[tuple[str, str], int]
    """By service and receiver: how many events are held behind parked ones, where that is told."""


async def look(peers: Peers) -> Look:
    """Ask all services at once."""
    inboxes, outboxes, held = await asyncio.gather(
        peers.ask(lambda peer: read_shelf(peer, "inbox")),
        peers.ask(lambda peer: read_shelf(peer, "outbox")),
        peers.ask(read_held),
    )
    missing: dict[str, Answer[Any]] = {}
    answers: list[Answer[Any]] = [*inboxes, *outboxes, *held]
    for each in answers:
        if each.missing:
            missing.setdefault(each.service, each)
    boxes: tuple[tuple[Box, Sequence[Answer[Any]]], ...] = (
        ("inbox", inboxes),
        ("outbox", outboxes),
    )
    shelves = [
        (answer.service, box, answer.value)
        for box, answers in boxes
        for answer in answers
        if answer.value is not None
    ]
    return Look(
        events=[event for _, _, shelf in shelves for event in shelf.events],
        missing=list(missing.values()),
        partial=[(service, box) for service, box, shelf in shelves if not shelf.whole],
        held={
            (answer.service, receiver): count
            for answer in held
            for receiver, count in (answer.value or {}).items()
        },
    )
