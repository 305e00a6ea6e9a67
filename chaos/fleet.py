"""The fleet: our programs under test, each restarted when it ends."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from chaos.failures import Failures
from tests.servers.processes import answers

ROOT = Path(__file__).parent.parent
RESTART_S = 0.2

API, RELAY, WORK = ("serve", "--only", "api"), ("relay",), ("work",)
CATALOG, NOTIFIER = "services.catalog", "services.notifier"
SENDERS = "notifier work"
"""The role of those that send emails."""
KILLED = -int(signal.SIGKILL)


# Below those that the system gives to outgoing connections, and a block of its own for each
# run: a program that is just starting again must find its port free.
BLOCK = 20
_ports = cycle(range(first := 20_000 + os.getpid() % 600 * BLOCK, first + BLOCK))


def lasting_port() -> int:
    """A free port that stays ours over a restart."""
    return next(port for port in _ports if not answers(port))


class Nursery:
    """Starts programs quickly; see `chaos.nursery`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._one = asyncio.Lock()

    async def spawn(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> int:
        """Start a program; return its process id."""
        async with self._one:
            self._order(words=[*words], env={**env}, log=str(log))
            return await self._born.get()

    def send(self, pid: int, number: signal.Signals) -> None:
        """Signal a program; nothing happens when it has ended."""
        self._order(pid=pid, signal=int(number))

    def _order(self, **order: object) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the nursery takes no orders")
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def end_of(self, pid: int) -> "asyncio.Future[int]":
        """The exit code of a program once it has ended, negative for a signal."""
        return self._ended[pid]

    async def hear(self) -> None:
        """Note what the nursery says, until it ends."""
        if self._process.stdout is None:
            raise RuntimeError("the nursery does not speak")
        async for line in self._process.stdout:
            fact: dict[str, int] = json.loads(line)
            if "pid" in fact:
                # Anew, for the system uses ids again.
                self._ended[fact["pid"]] = asyncio.get_running_loop().create_future()
                self._born.put_nowait(fact["pid"])
            else:
                self.end_of(fact["ended"]).set_result(fact["code"])


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Run a nursery; programs that are left at the end are killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos.nursery"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    home = Nursery(process)
    hearing = asyncio.create_task(home.hear())
    try:
        yield home
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        hearing.cancel()


@dataclass(eq=False)
class Member:
    """One program with a fixed port, in whichever process it runs now."""

    name: str
    words: tuple[str, ...]
    port: int = field(default_factory=lasting_port)
    pid: int = 0
    frozen: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def role(self) -> str:
        return self.name.rpartition(" ")[0]


class Fleet:
    """Keeps its members running; counts those that ended although nobody killed them."""

    def __init__(self, home: Nursery, folder: Path, settings: Mapping[str, str]) -> None:
        self._home = home
        self._folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._env = {**kept, "PYTHONPATH": str(ROOT), **settings}
        self.members: list[Member] = []
        self.kills: Counter[str] = Counter()
        """SIGKILLs by role, crash points included."""
        self.stops: Counter[str] = Counter()
        """SIGSTOPs by role."""
        self.failures = Failures()
        """When those that send emails were killed or stopped."""
        self.own_ends: list[str] = []
        """Members that ended although nobody killed them, with their exit code."""
        self._wishes: dict[Member, Mapping[str, str]] = {}
        self._held: set[str] = set()
        """Roles of which none is to run."""
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False
        self._changed = asyncio.Condition()

    async def add(self, package: str, words: tuple[str, ...], count: int = 1) -> None:
        """Start `count` programs that do the same and keep them running."""
        for number in range(1, count + 1):
            role = f"{package.rpartition('.')[2]} {'api' if words == API else words[0]}"
            member = Member(f"{role} {number}", (package, *words))
            self.members.append(member)
            await self._start(member)
            self._keepers.append(asyncio.create_task(self._keep(member)))

    def of(self, role: str) -> list[Member]:
        """The members that do this, such as `catalog relay`."""
        return [each for each in self.members if each.role == role]

    def arm(self, member: Member, variables: Mapping[str, str]) -> None:
        """Let a member have these variables too when it starts the next time."""
        self._wishes[member] = variables

    async def kill(self, member: Member) -> None:
        """SIGKILL a member; it starts again."""
        end = self._home.end_of(member.pid)
        self._send(member, signal.SIGKILL)
        await asyncio.shield(end)

    async def killed(self, member: Member, pid: int, within: float) -> bool:
        """Wait until that process of the member was ended by SIGKILL; False if not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                return await asyncio.shield(self._home.end_of(pid)) == KILLED
        return False

    @asynccontextmanager
    async def without(self, role: str) -> AsyncIterator[None]:
        """Kill all that do this, and start none of them before the block ends."""
        self._held.add(role)
        try:
            await asyncio.gather(*map(self.kill, self.of(role)))
            yield
        finally:
            self._held.discard(role)
            async with self._changed:
                self._changed.notify_all()

    @contextmanager
    def frozen(self, member: Member) -> Iterator[None]:
        """Stop a member while the block runs, unless it is killed meanwhile."""
        pid = member.pid
        member.frozen = True
        self.stops[member.role] += 1
        self._send(member, signal.SIGSTOP)
        with self.failures.during() if member.role == SENDERS else nullcontext():
            try:
                yield
            finally:
                if member.pid == pid:
                    self._thaw(member)

    def _thaw(self, member: Member) -> None:
        member.frozen = False
        self._send(member, signal.SIGCONT)

    async def started(self, member: Member, former: int, within: float = 10.0) -> None:
        """Wait until the member runs in another process than `former`."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: member.pid != former)

    def _send(self, member: Member, number: signal.Signals) -> None:
        self._home.send(member.pid, number)

    async def _start(self, member: Member) -> None:
        env = {**self._env, **self._wishes.pop(member, {})}
        log = self._folder / f"{member.name.replace(' ', '-')}.log"
        words = (*member.words, "--port", str(member.port))
        member.pid = await self._home.spawn(words, env, log)
        member.frozen = False
        if member.role in self._held:
            self._send(member, signal.SIGKILL)
        async with self._changed:
            self._changed.notify_all()

    async def _keep(self, member: Member) -> None:
        while True:
            code = await asyncio.shield(self._home.end_of(member.pid))
            if self._closing:
                return
            if code == KILLED:
                self.kills[member.role] += 1
                if member.role == SENDERS:
                    self.failures.now()
            else:
                self.own_ends.append(f"{member.name} with {code}")
            await asyncio.sleep(RESTART_S)
            async with self._changed:
                await self._changed.wait_for(lambda: member.role not in self._held)
            await self._start(member)

    async def close(self) -> None:
        """Ask all to end, in order; kill what has not within 12 s."""
        self._closing = True
        for member in self.members:
            self._thaw(member)
            self._send(member, signal.SIGTERM)
        ends = [self._home.end_of(each.pid) for each in self.members]
        with suppress(TimeoutError):
            async with asyncio.timeout(12):
                await asyncio.gather(*(asyncio.shield(each) for each in ends))
        for member, end in zip(self.members, ends, strict=True):
            if not end.done():
                self.own_ends.append(f"{member.name} did not end when asked")
                self._send(member, signal.SIGKILL)
        for keeper in self._keepers:
            keeper.cancel()
