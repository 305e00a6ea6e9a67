"""Health: whether this process lives, and whether it can do its own job."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel

from heliograph.errors import HeliographError
from heliograph.logging import masked

Check = Callable[[], Awaitable[None]]
"""Returns if the thing works and raises if it does not."""

CHECK_TIMEOUT = 2.0
"""Seconds within which a check must answer."""

log = structlog.stdlib.get_logger(__name__)


class CheckResult(BaseModel):
    """What one check found; `detail` says what failed."""

    status: Literal["ok", "failed"]
    detail: str | None = None


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

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Ask `check` when readiness is asked; without a required one the job cannot be done."""
        self._checks.append(_Named(name, check, required))

    async def readiness(self) -> Readiness:
        """Run all checks at once; takes no longer than `CHECK_TIMEOUT`."""
        results = await asyncio.gather(*(_result(each) for each in self._checks))
        checks = {each.name: result for each, result in zip(self._checks, results, strict=True)}
        failed = [each for each in self._checks if checks[each.name].status == "failed"]
        if any(each.required for each in failed):
            return Readiness(status="unavailable", checks=checks)
        return Readiness(status="degraded" if failed else "ok", checks=checks)


async def _result(named: _Named) -> CheckResult:
    # A call to a broker that is down can ignore its cancellation, so it is not waited for.
    task = asyncio.ensure_future(named.check())
    done, _ = await asyncio.wait({task}, timeout=CHECK_TIMEOUT)
    if not done:
        task.cancel()
        detail = f"no answer within {CHECK_TIMEOUT:g} s"
    elif task.cancelled():
        detail = "cancelled"
    elif (error := task.exception()) is None:
        return CheckResult(status="ok")
    else:
        # Only our own messages are known to be fit for the public.
        detail = masked(str(error)) if isinstance(error, HeliographError) else type(error).__name__
    log.warning("a health check failed", check=named.name, detail=detail)
    return CheckResult(status="failed", detail=detail)
