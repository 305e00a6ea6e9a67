"""The nursery: a process that has imported our programs and forks them from itself.

A program that has to import everything first takes two seconds of a processor to start,
a forked one a tenth: what makes hundreds of kills affordable. It reads one JSON object a
line, `{"words": […], "env": {…}, "log": "…"}`, and writes `{"pid": …}` for each, in order,
and `{"ended": pid, "code": …}` when a child has ended. `{"signal": …, "pid": …}` sends a
signal to a child; only its parent knows that the id is still that child's.
"""

import json
import os
import select
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

from chaos.faults import clocks

PROGRAMS = ("services.catalog", "services.notifier")
BESIDES = (
    "heliograph.service.serving",
    "heliograph.logging",
    "heliograph.bus.connect",
    "heliograph.bus.rabbitmq.bus",
)


def main() -> None:
    """Serve until standard input ends, then kill what is left."""
    for package in PROGRAMS:
        import_module(f"{package}.__main__")
        import_module(f"{package}.service")
        import_module(f"{package}.receivers")
    for module in BESIDES:
        import_module(module)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    buffer = b""
    while True:
        ready, _, _ = select.select([0, reader], [], [])
        if reader in ready:
            os.read(reader, 4096)
            _reap(children)
        if 0 in ready:
            received = os.read(0, 65536)
            if not received:
                break
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                _obey(json.loads(line), children, reader, writer)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _obey(order: dict[str, Any], children: set[int], *descriptors: int) -> None:
    if "signal" not in order:
        pid = _fork(order, *descriptors)
        children.add(pid)
        _say(pid=pid)
    elif order["pid"] in children:
        os.kill(order["pid"], order["signal"])


def _reap(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        children.discard(pid)
        _say(ended=pid, code=os.waitstatus_to_exitcode(status))


def _say(**fact: int) -> None:
    os.write(1, json.dumps(fact).encode() + b"\n")


def _fork(order: dict[str, Any], *descriptors: int) -> int:
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in descriptors:
            os.close(descriptor)
        _become(order)
    return pid


def _become(order: dict[str, Any]) -> NoReturn:
    """Be the program, as if it had been started from a shell."""
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, descriptor)
    os.environ.clear()
    os.environ.update(order["env"])
    if seconds := os.environ.get(clocks.VARIABLE):
        clocks.shift(float(seconds))
    package, *words = order["words"]
    code = 0
    try:
        import_module(f"{package}.__main__").app(args=words, prog_name=f"python -m {package}")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    # Whatever else a program raises ends it with a traceback, as it would by itself.
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
