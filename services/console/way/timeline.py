"""The steps of a change's way in order, with the gaps between them.

Each service has a clock of its own. What was caused stands behind its cause whatever the clocks
say, and a gap that would be negative is none: there clocks differ.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.console.way.answers import Email, Part, Receiver


@dataclass(frozen=True, slots=True)
class Heard:
    """What the console kept of when an event of the change happened."""

    event_id: UUID
    committed_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened to events of the change, or that has yet to.

    `what` is `requested`, `committed`, `heard`; of a receiver `accepted`, `failed`, `began`,
    `redriven` or its state; of emails `written`; of one email its state.
    """

    what: str
    at: datetime | None = None
    """None if that is not known, or has not happened."""
    event_ids: Sequence[UUID] = ()
    """The events that it tells of; none if that is not known."""
    receiver: Receiver | None = None
    email: Email | None = None
    written: Sequence[Email] = ()
    """Emails that were written at once."""
    reason: str | None = None
    waits: str | None = None
    """What an unfinished step waits for."""

    @property
    def is_open(self) -> bool:
        return self.waits is not None


@dataclass(frozen=True, slots=True)
class Line:
    """A step with what lies between it and the one before."""

    step: Step
    gap: timedelta | None = None
    """Since the latest step before it; None without a time, or where clocks differ."""
    clocks_differ: bool = False
    new_day: bool = False
    """Whether its date, in UTC, is another than that of the step before."""


def timeline(
    heard: Sequence[Heard], receivers: Iterable[Receiver], emails: Iterable[Email]
) -> Sequence[Line]:
    """Put all in order: by time, each behind what caused it, and what is unfinished at the end.

    `heard` are the events of one change, which were committed together.
    """
    first: list[Step] = []
    cause = min((each.committed_at for each in heard), default=None)
    if cause is not None:
        event_ids = [each.event_id for each in heard]
        first = [
            Step(what="requested"),
            Step(what="committed", at=cause, event_ids=event_ids),
        ]
    chains = [*_of_console(heard), *map(_of_receiver, receivers), *_of_emails(emails)]
    steps = sorted(
        (placed for chain in chains for placed in _placed(chain, cause)),
        key=lambda placed: (placed[1].is_open, placed[0]),
    )
    return [*_lines([*first, *(step for _, step in steps)])]


def under_way(lines: Iterable[Line]) -> bool:
    """Whether something goes on by itself; what is parked, or held by that, waits for a person."""
    return any(each.step.is_open and each.step.what not in ("parked", "held") for each in lines)


def gap(value: timedelta) -> str:
    """Write a gap: `12 ms`, `4 s`, `3 min 5 s`, `2 h 5 min`, `3 d 4 h`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    if milliseconds < 1000:  # noqa: PLR2004 - of a second
        return f"{milliseconds} ms"
    if milliseconds < 10_000:  # noqa: PLR2004 - from here on a tenth says nothing
        return f"{milliseconds / 1000:.1f} s".replace(".0 ", " ")
    seconds = milliseconds // 1000
    for unit, size, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            return _two(seconds, unit, size, smaller, part)
    return _two(seconds, "min", 60, "s", 1) if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004


def _two(seconds: int, unit: str, size: int, smaller: str, part: int) -> str:
    rest = seconds % size // part
    return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")


def _of_console(heard: Iterable[Heard]) -> Iterator[Sequence[Step]]:
    together: dict[datetime, list[UUID]] = {}
    for each in heard:
        together.setdefault(each.heard_at, []).append(each.event_id)
    for heard_at, event_ids in together.items():
        yield [Step(what="heard", at=heard_at, event_ids=event_ids)]


def _of_receiver(row: Receiver) -> Sequence[Step]:
    def step(what: str, **known: Any) -> Step:
        return Step(what=what, receiver=row, event_ids=_told_of(row), **known)

    failures = sorted(row.failures, key=lambda each: each.at)
    tried = [step("failed", at=each.at, reason=each.reason) for each in failures]
    if row.failures_before_redrive:
        # When that was is not told.
        tried.insert(row.failures_before_redrive, step("redriven"))
    if row.started_at is not None:
        later = (n for n, each in enumerate(tried) if each.at and each.at >= row.started_at)
        tried.insert(next(later, len(tried)), step("began", at=row.started_at))
    reasons = [each.reason for each in row.failures]
    return [
        step("accepted", at=row.accepted_at),
        *tried,
        step(
            row.state,
            at=row.finished_at or (row.last_failed_at if row.state == "parked" else None),
            reason=None if row.reason in reasons[-1:] else row.reason,
            waits=_waits(row),
        ),
    ]


def _told_of(row: Part) -> Sequence[UUID]:
    return () if row.event_id is None else (row.event_id,)


def _waits(row: Receiver) -> str | None:
    """What a receiver's row waits for; None if it is finished."""
    if row.state == "parked":
        return "waits for somebody to redrive or discard it"
    if row.state == "held":
        return "waits for an earlier event of its subject, which is parked"
    if row.state != "pending":
        return None
    if row.is_at_work:
        return "an attempt has begun and not ended"
    if len(row.failures) > row.failures_before_redrive:
        return "waits to be tried again"
    return "waits for a worker, or for an earlier event of its subject"


def _of_emails(emails: Iterable[Email]) -> Iterator[Sequence[Step]]:
    together: dict[tuple[str, UUID | None, datetime], list[Email]] = {}
    for email in emails:
        key = (email.service, email.event_id, email.created_at)
        together.setdefault(key, []).append(email)
    for (_, _, written_at), some in together.items():
        event_ids = _told_of(some[0])
        written = Step(what="written", at=written_at, event_ids=event_ids, written=tuple(some))
        for place, email in enumerate(some):
            outcome = Step(
                what=email.state,
                at=email.sent_at,
                event_ids=event_ids,
                email=email,
                reason=email.reason,
                waits=_email_waits(email),
            )
            # Each is caused by the writing, which is one step.
            yield [written, outcome] if place == 0 else [outcome]


def _email_waits(email: Email) -> str | None:
    if email.state != "pending":
        return None
    if email.told_by is not None:
        return "waits with the email that tells it"
    return "is due" if email.waits_until is None else "waits"


def _placed(chain: Sequence[Step], cause: datetime | None) -> Iterator[tuple[datetime, Step]]:
    """Each step with the time at which it stands: its own, or its cause's if that is later."""
    place = cause
    for step in chain:
        own = step.at
        if step.email is not None and own is None:
            own = step.email.created_at
        if own is not None and (place is None or place < own):
            place = own
        if place is None:
            raise ValueError("the first step of a chain has a time")
        yield place, step


def _lines(steps: Sequence[Step]) -> Iterator[Line]:
    latest: datetime | None = None
    for step in steps:
        if step.at is None:
            yield Line(step)
            continue
        new_day = latest is None or latest.date() != step.at.date()
        between = None if latest is None else step.at - latest
        if step.is_open or between is None:
            yield Line(step, new_day=new_day)
        elif between < timedelta():
            yield Line(step, clocks_differ=True, new_day=new_day)
        else:
            yield Line(step, between, new_day=new_day)
        latest = step.at if latest is None else max(latest, step.at)
