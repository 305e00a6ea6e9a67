"""Health: whether this process lives, and whether it can do its own job."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel, Field

from heliograph.errors import HeliographError, State
from heliograph.logging import masked
from heliograph.waiting import leave

Check = Callable[[], Awaitable[None]]
"""Returns if the thing works and raises if it does not."""

CHECK_TIMEOUT = 2.0
"""Seconds within which a check must answer."""

log = structlog.stdlib.get_logger(__name__)


class CheckResult(BaseModel):
    """What one check found.

    Strangers are told the state alone; `detail`, in the words of whoever failed, may name hosts
    and users, and is for the log.
    """

    status: Literal["ok"] | State
    detail: str | None = Field(default=None, exclude=True)


class Readiness(BaseModel):
    """`degraded`: the process does its job although something it would like is away."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, CheckResult]

    @property
    def http_status(self) -> int:
        """What a probe is answered with."""
        return 503 if self.status == "unavailable" else 200


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    check: Check
    required: bool


class Health:
    """The checks of one program."""

    def __init__(self) -> None:
        self._checks: list[_Named] = []
        self._states: Mapping[str, str] = {}

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Ask `check` when readiness is asked; without a required one the job cannot be done."""
        self._checks.append(_Named(name, check, required))

    async def readiness(self) -> Readiness:
        """Run all checks at once; takes no longer than `CHECK_TIMEOUT`."""
        results = await asyncio.gather(*(_result(each) for each in self._checks))
        checks = {each.name: result for each, result in zip(self._checks, results, strict=True)}
        failed = [each for each in self._checks if checks[each.name].status != "ok"]
        status: Literal["ok", "degraded", "unavailable"] = "degraded" if failed else "ok"
        if any(each.required for each in failed):
            status = "unavailable"
        self._tell(status, checks)
        return Readiness(status=status, checks=checks)

    def _tell(self, status: str, checks: Mapping[str, CheckResult]) -> None:
        """Log a line when a state has changed; probes come every few seconds."""
        states = {name: check.status for name, check in checks.items()}
        if states == self._states:
            return
        self._states = states
        level = log.info if status == "ok" else log.warning
        why = {name: check.detail for name, check in checks.items() if check.status != "ok"}
        level("readiness", status=status, checks=states, why=why)


async def _result(named: _Named) -> CheckResult:
    # A call to a broker that is down can ignore its cancellation, so it is not waited for.
    task = asyncio.ensure_future(named.check())
    try:
        done, _ = await asyncio.wait({task}, timeout=CHECK_TIMEOUT)
    finally:
        leave(task)
    if not done:
        return CheckResult(status="away", detail=f"no answer within {CHECK_TIMEOUT:g} s")
    if task.cancelled():
        return CheckResult(status="failed", detail="cancelled")
    error = task.exception()
    if error is None:
        return CheckResult(status="ok")
    state = error.state if isinstance(error, HeliographError) else "failed"
    return CheckResult(status=state, detail=masked(str(error) or repr(error)))
