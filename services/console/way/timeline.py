"""The steps of an event's way in order, with the gaps between them.

Each service has a clock of its own. What was caused stands behind its cause whatever the clocks
say, and a gap that would be negative is none: there clocks differ.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.console.way.answers import Email, Receiver


@dataclass(frozen=True, slots=True)
class Heard:
    """What the console kept of when an event happened."""

    committed_at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happened to the event, or that has yet to.

    `what` is `requested`, `committed`, `heard`; of a receiver `accepted`, `failed`, `began` or its
    state; of emails `written`; of one email its state.
    """

    what: str
    at: datetime | None = None
    """None if that is not known, or has not happened."""
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
    heard: Heard | None, receivers: Iterable[Receiver], emails: Iterable[Email]
) -> Sequence[Line]:
    """Put all in order: by time, each behind what caused it, and what is unfinished at the end."""
    first: list[Step] = []
    chains: list[Sequence[Step]] = []
    if heard is not None:
        first = [Step(what="requested"), Step(what="committed", at=heard.committed_at)]
        chains.append([Step(what="heard", at=heard.heard_at)])
    chains += map(_of_receiver, receivers)
    chains += _of_emails(emails)
    cause = None if heard is None else heard.committed_at
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


def _of_receiver(row: Receiver) -> Sequence[Step]:
    tried = [
        Step(what="failed", at=each.at, receiver=row, reason=each.reason) for each in row.failures
    ]
    if row.started_at is not None:
        tried.insert(0, Step(what="began", at=row.started_at, receiver=row))
    tried.sort(key=_time)
    reasons = [each.reason for each in row.failures]
    return [
        Step(what="accepted", at=row.accepted_at, receiver=row),
        *tried,
        Step(
            what=row.state,
            at=row.finished_at or (_last_failure(row) if row.state == "parked" else None),
            receiver=row,
            reason=None if row.reason in reasons[-1:] else row.reason,
            waits=_waits(row),
        ),
    ]


def _last_failure(row: Receiver) -> datetime | None:
    return max((each.at for each in row.failures), default=None)


def _waits(row: Receiver) -> str | None:
    """What a receiver's row waits for; None if it is finished."""
    if row.state == "parked":
        return "waits for somebody to redrive or discard it"
    if row.state == "held":
        return "waits for an earlier event of its subject, which is parked"
    if row.state != "pending":
        return None
    failed = _last_failure(row)
    if row.started_at is not None and (failed is None or failed < row.started_at):
        return "an attempt has begun and not ended"
    if failed is not None:
        return "waits to be tried again"
    return "waits for a worker, or for an earlier event of its subject"


def _of_emails(emails: Iterable[Email]) -> Iterator[Sequence[Step]]:
    together: dict[tuple[str, datetime], list[Email]] = {}
    for email in emails:
        together.setdefault((email.service, email.created_at), []).append(email)
    for (_, written_at), some in together.items():
        written = Step(what="written", at=written_at, written=tuple(some))
        for place, email in enumerate(some):
            outcome = Step(
                what=email.state,
                at=email.sent_at,
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


def _time(step: Step) -> datetime:
    if step.at is None:
        raise ValueError(f"a step {step.what} has no time")
    return step.at


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
