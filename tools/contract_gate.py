"""Compares the contracts of today with what releases promised: `python -m tools.contract_gate`.

Today's are made from the code, whatever stands under `docs/`. They may break no reader of a release
under `docs/released/`, and no stranger whose expectations stand under `tests/consumers/`. Exits
with 1, and a sentence for each event and queue that does.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from services.starting import starting

with starting():
    from heliograph import HeliographError, __version__
    from heliograph.bus import queue_arguments
    from heliograph.signals import queued_receivers
    from services.catalog.service import Catalog
    from services.console.service import Console
    from services.notifier.service import Notifier
    from tools import schemas
    from tools.schema_breaks import Break, Schema, breaks

ROOT = Path(__file__).parent.parent
RELEASED = Path("docs/released")
CONSUMERS = Path("tests/consumers")
HEADERS = ".headers"
"""Stands behind an event's type in the name of the schema of its headers."""

Documents = Mapping[str, Any]
"""Contracts as decoded JSON, by their path: `asyncapi.json`, `queues.json`, `schemas/….json`."""


class NoRelease(HeliographError):
    """What is called a release is none."""


def version(text: str) -> tuple[int, ...]:
    """The numbers of a version. Raises `NoRelease` if there are not three."""
    if not re.fullmatch(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}", text):
        raise NoRelease(f"'{text}' is no version: write three numbers, as in 0.1.0")
    return tuple(map(int, text.split(".")))


def today() -> Documents:
    """The contracts as the code makes them."""
    made = {Path(path).as_posix(): json.loads(text) for path, text in schemas.documents().items()}
    return {**made, "queues.json": queues()}


def queues() -> dict[str, Any]:
    """How the queue of every receiver is declared, and the routing keys that it is bound to."""
    found = {}
    for service in (Catalog, Notifier, Console):
        import_module(f"{service.package}.receivers")
        for receiver in queued_receivers.of(service.package):
            queue = receiver.queue(service.name)
            keys = sorted(each.pattern for each in queue.bindings)
            found[queue.name] = {"arguments": queue_arguments(queue), "bindings": keys}
    return found


def releases(root: Path) -> dict[str, Documents]:
    """What each release promised, by its version, oldest first.

    Raises:
        NoRelease: a folder has another name, or is that of a release to come.
    """
    names = sorted((each.name for each in (root / RELEASED).glob("*/")), key=version)
    for name in names:
        if version(name) > version(__version__):
            raise NoRelease(
                f"{RELEASED}/{name} is from the future, this is {__version__}: "
                "take it away, `make release` writes it when it is time"
            )
    return {name: read(root / RELEASED / name) for name in names}


def consumers(root: Path) -> dict[str, Documents]:
    """What strangers expect of the events that they read, by their names."""
    schemas = sorted((root / CONSUMERS).glob("*/*.v[0-9]*.json"))
    return {folder.name: read(folder) for folder in dict.fromkeys(each.parent for each in schemas)}


def read(folder: Path) -> Documents:
    """Every JSON document below a folder."""
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.json"))
    }


def failures(
    now: Documents, promised: Mapping[str, Documents], expected: Mapping[str, Documents]
) -> list[str]:
    """A sentence for each event or queue that breaks releases' readers, or a consumer."""
    told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for what, whom, broken, otherwise in _comparisons(now, promised, expected):
        if found := [str(each) for each in broken]:
            keep = "Keep it" if len(found) == 1 else "Keep them"
            told[what, f"{', '.join(found)}. {keep}{otherwise}."].append(whom)
    return [f"{what} breaks {', '.join(whom)}: {said}" for (what, said), whom in told.items()]


def _comparisons(
    now: Documents, promised: Mapping[str, Documents], expected: Mapping[str, Documents]
) -> Iterator[tuple[str, str, Iterable[Break], str]]:
    """What is compared, who relies on it, what breaks them, and what else there is to do."""
    for name, then in promised.items():
        for type_ in _types(then):
            broken = _broken_event(now, then, type_)
            yield type_, f"readers of {name}", broken, _besides(type_)
        for queue, was in then["queues.json"].items():
            broken = _broken_queue(now["queues.json"].get(queue), was)
            yield queue, f"programs of {name}", broken, ", or do as docs/contracts.md says"
    for name, used in expected.items():
        for path, schema in used.items():
            type_ = path.removesuffix(".json").removesuffix(HEADERS)
            broken = _broken_schema(now, f"schemas/{path}", schema)
            yield type_, f"the consumer {name}", broken, _besides(type_)


def _besides(type_: str) -> str:
    event, _, number = type_.rpartition(".v")
    return f", or announce .v{int(number) + 1} beside .v{number}" if event else ""


def _types(then: Documents) -> list[str]:
    """The types of the events that a release promised."""
    stems = [Path(path).stem for path in then if path.startswith("schemas/")]
    return [stem for stem in stems if not stem.endswith(HEADERS)]


def _broken_event(now: Documents, then: Documents, type_: str) -> Iterator[Break]:
    place = _place(now, type_)
    for what, was in _place(then, type_).items():
        if not place:
            yield Break("", "is announced no more")
            return
        if place[what] != was:
            yield Break(f"its {what}", f"is {place[what]}, was {was}")
    for path in (f"schemas/{type_}.json", f"schemas/{type_}{HEADERS}.json"):
        if path in then:
            yield from _broken_schema(now, path, then[path])


def _broken_schema(now: Documents, path: str, was: Schema) -> Iterator[Break]:
    headers = path.endswith(f"{HEADERS}.json")
    whole = "its headers" if headers else ""
    if path not in now:
        yield Break(whole, "are told no more" if headers else "is announced no more")
        return
    for each in breaks(was, now[path]):
        named = f"header {each.path}" if headers else each.path
        yield Break(named if each.path else whole, each.what)


def _place(documents: Documents, type_: str) -> dict[str, str]:
    """Where an event is published, as listeners bind to it; empty if it is not."""
    asyncapi = documents["asyncapi.json"]
    for channel in asyncapi["channels"].values():
        if type_ in channel["messages"]:
            exchange = channel["bindings"]["amqp"]["exchange"]
            return {
                "routing key": channel["address"],
                "exchange": exchange["name"],
                "exchange's type": exchange["type"],
                "content type": asyncapi["components"]["messages"][type_]["contentType"],
            }
    return {}


def _broken_queue(now: Schema | None, was: Schema) -> Iterator[Break]:
    if now is None:
        yield Break("", "is gone")
        return
    for name in sorted(was["arguments"].keys() | now["arguments"].keys()):
        before, after = (each["arguments"].get(name) for each in (was, now))
        if after != before:
            yield Break(name, f"is {_value(after)}, was {_value(before)}")
    for key in was["bindings"]:
        if key not in now["bindings"]:
            yield Break("", f"no longer hears {key}")


def _value(argument: object) -> str:
    return "not set" if argument is None else json.dumps(argument)


def main() -> None:
    """Say what is broken; silent if nothing is."""
    try:
        found = failures(today(), releases(ROOT), consumers(ROOT))
    except NoRelease as error:
        found = [str(error)]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
