"""Redriving and discarding: what was chosen, and what became of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from services.console.peers import Peer, PeerError
from services.console.shelves.parked import BOXES, Box

Act = Literal["redrive", "discard"]

MOST_IDS = 1_000
"""That a service takes in one call."""
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Chosen:
    """Parked events of one box, by their ids; as text `notifier/inbox/1,2,3`."""

    service: str
    box: Box
    ids: tuple[int, ...]

    @classmethod
    def read(cls, text: str) -> "Chosen":
        """Read the text; raise ValueError if it is none."""
        service, name, ids = text.split("/", 2)
        [box] = [each for each in BOXES if each == name]
        numbers = tuple(dict.fromkeys(int(each) for each in ids.split(",")))
        if not all(1 <= each <= LARGEST_ID for each in numbers):
            raise ValueError("an id is a positive number")
        return cls(service, box, numbers)

    def __str__(self) -> str:
        return f"{self.service}/{self.box}/{','.join(map(str, self.ids))}"

    def calls(self) -> Iterator["Chosen"]:
        """The same, as many at once as a service takes."""
        for start in range(0, len(self.ids), MOST_IDS):
            yield Chosen(self.service, self.box, self.ids[start : start + MOST_IDS])


def together(chosen: Iterable[Chosen]) -> list[Chosen]:
    """Put those of the same box together."""
    found: dict[tuple[str, Box], list[int]] = {}
    for each in chosen:
        found.setdefault((each.service, each.box), []).extend(each.ids)
    return [Chosen(*where, tuple(dict.fromkeys(ids))) for where, ids in found.items()]


@dataclass(frozen=True)
class Outcome:
    """What became of those that were chosen in one box.

    `done` were redriven or discarded, `gone` were no longer parked: somebody else was faster.
    `left` were left alone, of `unknown` nobody knows; for both `why` says what went wrong.
    """

    service: str
    box: Box
    done: int = 0
    gone: int = 0
    left: int = 0
    unknown: int = 0
    why: str | None = None

    def with_next(self, other: "Outcome") -> "Outcome":
        """This and what became of the next call."""
        return replace(
            other,
            done=self.done + other.done,
            gone=self.gone + other.gone,
            left=self.left + other.left,
            unknown=self.unknown + other.unknown,
        )

    def of(self, count: int) -> "Outcome":
        """The same, where so many were chosen: those that no call came to were left alone."""
        return replace(self, left=count - self.done - self.gone - self.unknown)


async def act_on(peer: Peer, act: Act, call: Chosen) -> Outcome:
    """Have one call's worth redriven or discarded; what goes wrong is in the outcome."""
    count = len(call.ids)
    try:
        answer = await peer.post(f"/v1/{call.box}/{act}", {"ids": call.ids})
        done = _number(answer, {"redrive": "redriven", "discard": "discarded"}[act])
    except PeerError as error:
        # It refused, and did nothing; of any other failure nobody knows how far it had come.
        refused = error.status is not None and 400 <= error.status < 500  # noqa: PLR2004
        what = {"left": count} if refused else {"unknown": count}
        return Outcome(call.service, call.box, why=error.why, **what)
    if done is None:
        why = "its answer is not understood"
        return Outcome(call.service, call.box, unknown=count, why=why)
    return Outcome(call.service, call.box, done=done, gone=count - done)


def _number(answer: Any, name: str) -> int | None:
    found = answer.get(name) if isinstance(answer, dict) else None
    return found if isinstance(found, int) else None
