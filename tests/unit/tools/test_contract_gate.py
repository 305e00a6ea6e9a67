"""The gate, tried on contracts that somebody has changed."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from heliograph import __version__
from tools.contract_gate import (
    ROOT,
    NoRelease,
    consumers,
    failures,
    releases,
    today,
)

TYPE = "catalog.product.post_save.v1"
SCHEMA = f"schemas/{TYPE}.json"

Contracts = Mapping[str, Any]
Change = Callable[[dict[str, Any], str], object]
"""Alters the schema of an object in one of its fields."""


@cache
def released() -> Contracts:
    """What was promised: the contracts before anybody changes them."""
    return today()


@pytest.fixture
def now() -> dict[str, Any]:
    return deepcopy({**released()})


def told(now: Contracts, **expected: Contracts) -> list[str]:
    return failures(now, {"0.1.0": released()}, expected)


def owner(schema: Any, path: str) -> tuple[dict[str, Any], str]:
    """The object that has the field at the end of a path, and the field's name."""
    *above, name = path.split(".")
    node = resolved(schema, schema)
    for each in above:
        node = resolved(schema, node["properties"][each.removesuffix("[]")])
        if each.endswith("[]"):
            node = resolved(schema, node["items"])
    return node, name


def resolved(schema: Any, node: Any) -> Any:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def gone(node: dict[str, Any], name: str) -> None:
    del node["properties"][name]
    node["required"].remove(name)


def optional(node: dict[str, Any], name: str) -> None:
    node["required"].remove(name)


def nullable(node: dict[str, Any], name: str) -> None:
    node["properties"][name] = {"anyOf": [node["properties"][name], {"type": "null"}]}


def becoming(**keywords: Any) -> Change:
    return lambda node, name: node["properties"][name].update(keywords)


def without(keyword: str) -> Change:
    return lambda node, name: node["properties"][name].pop(keyword)


def replaced(field: dict[str, Any]) -> Change:
    return lambda node, name: node["properties"].update({name: field})


MUTATIONS: dict[str, tuple[str, Change, str]] = {
    "a field that is gone": ("instance.currency", gone, "is gone"),
    "a field within a list's that is gone": ("instance.images[].variants[].key", gone, "is gone"),
    "a field that may be missing": ("instance.price", optional, "may be missing"),
    "a field that may be null": ("instance.name", nullable, "may be null"),
    "another type": (
        "instance.version",
        replaced({"type": "string"}),
        "may be of type string, was integer",
    ),
    "any type": ("instance.price", replaced({}), "may be anything"),
    "another constant": ("signal", becoming(const="saved"), 'has const "saved", had "post_save"'),
    "a constant that is none": ("sender", without("const"), 'has no const, had "catalog.product"'),
    "a longer text": ("instance.name", becoming(maxLength=201), "has maxLength 201, had 200"),
    "an empty text": ("instance.sku", becoming(minLength=0), "has minLength 0, had 1"),
    "a larger number": (
        "instance.version",
        becoming(maximum=2**53),
        "has maximum 9007199254740992, had 2147483647",
    ),
    "a longer list": (
        "instance.categories",
        without("maxItems"),
        "has no maxItems, had 10000",
    ),
    "a list of something else": (
        "instance.categories",
        becoming(items={"type": "integer"}),
        "[] may be of type integer, was string",
    ),
    "another pattern": (
        "instance.currency",
        becoming(pattern="^[a-z]{3}$"),
        'has pattern "^[a-z]{3}$", had "^[A-Z]{3}$"',
    ),
    "another format": ("instance.id", without("format"), 'has no format, had "uuid"'),
}


@pytest.mark.parametrize(("path", "change", "said"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_is_told_by_field_and_release(
    now: dict[str, Any], path: str, change: Change, said: str
) -> None:
    change(*owner(now[SCHEMA], path))

    [sentence] = told(now)
    assert sentence.startswith(f"{TYPE} breaks readers of 0.1.0: ")
    assert f"{path}{'' if said.startswith('[') else ' '}{said}" in sentence
    assert sentence.endswith(", or announce .v2 beside .v1.")


def test_a_rename_is_told_by_the_old_name(now: dict[str, Any]) -> None:
    node, _ = owner(now[SCHEMA], "instance.currency")
    gone(node, "currency")
    node["properties"]["money"] = {"type": "string"}
    node["required"].append("money")

    assert told(now) == [
        (
            f"{TYPE} breaks readers of 0.1.0: "
            "instance.currency is gone, original.currency is gone. "
            "Keep them, or announce .v2 beside .v1."
        )
    ]


def test_fields_and_events_may_be_added(now: dict[str, Any]) -> None:
    node, _ = owner(now[SCHEMA], "instance.currency")
    node["properties"] |= {"weight": {"type": "number"}, "colour": {"type": "string"}}
    node["required"].append("weight")
    now[SCHEMA]["properties"]["reason"] = {"type": "string"}
    now["schemas/catalog.product.restocked.v1.json"] = now[SCHEMA]
    now["queues.json"]["notifier.count"] = {"arguments": {}, "bindings": []}

    assert told(now) == []


def test_what_breaks_two_releases_is_told_once(now: dict[str, Any]) -> None:
    gone(*owner(now[SCHEMA], "signal"))

    assert failures(now, {"0.1.0": released(), "0.2.0": released()}, {}) == [
        (
            f"{TYPE} breaks readers of 0.1.0, readers of 0.2.0: signal is gone. "
            "Keep it, or announce .v2 beside .v1."
        )
    ]


def test_an_event_that_is_announced_no_more_is_told(now: dict[str, Any]) -> None:
    channels = now["asyncapi.json"]["channels"]
    [key] = [key for key, channel in channels.items() if TYPE in channel["messages"]]
    del channels[key], now[SCHEMA]

    assert told(now) == [
        (
            f"{TYPE} breaks readers of 0.1.0: it is announced no more. "
            "Keep it, or announce .v2 beside .v1."
        )
    ]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("address", "catalog.product.saved", "routing key is catalog.product.saved, was "),
        ("bindings.amqp.exchange.name", "shop", "exchange is shop, was catalog.events"),
        ("bindings.amqp.exchange.type", "direct", "exchange's type is direct, was topic"),
    ],
)
def test_an_event_stays_where_listeners_bind_to_it(
    now: dict[str, Any], path: str, value: str, said: str
) -> None:
    [node] = [
        channel
        for channel in now["asyncapi.json"]["channels"].values()
        if TYPE in channel["messages"]
    ]
    *above, name = path.split(".")
    for each in above:
        node = node[each]
    node[name] = value

    [sentence] = told(now)
    assert sentence.startswith(f"{TYPE} breaks readers of 0.1.0: its {said}")


def test_headers_are_contracts_too(now: dict[str, Any]) -> None:
    path = f"schemas/{TYPE}.headers.json"
    headers = {"ce-id": {"type": "string"}, "ce-subject": {"type": "string"}}
    schema = {"type": "object", "properties": headers, "required": ["ce-id", "ce-subject"]}
    then = {**released(), path: deepcopy(schema)}
    now[path] = schema
    assert failures(now, {"0.1.0": then}, {}) == []

    gone(schema, "ce-subject")
    assert failures(now, {"0.1.0": then}, {}) == [
        (
            f"{TYPE} breaks readers of 0.1.0: header ce-subject is gone. "
            "Keep it, or announce .v2 beside .v1."
        )
    ]
    del now[path]
    [sentence] = failures(now, {"0.1.0": then}, {})
    assert "its headers are told no more" in sentence


def test_a_queue_that_is_declared_otherwise_breaks_an_upgrade(now: dict[str, Any]) -> None:
    queues = now["queues.json"]
    queues["notifier.email_price_drop"]["arguments"] |= {"x-delivery-limit": 7, "x-max-length": 1}
    queues["notifier.purge_images"]["bindings"].remove("catalog.image.pre_delete")
    del queues["notifier.email_new_product"]

    assert sorted(told(now)) == [
        (
            "notifier.email_new_product breaks programs of 0.1.0: it is gone. "
            "Keep it, or do as docs/contracts.md says."
        ),
        (
            "notifier.email_price_drop breaks programs of 0.1.0: x-delivery-limit is 7, was 200, "
            "x-max-length is 1, was not set. Keep them, or do as docs/contracts.md says."
        ),
        (
            "notifier.purge_images breaks programs of 0.1.0: it no longer hears "
            "catalog.image.pre_delete. Keep it, or do as docs/contracts.md says."
        ),
    ]


def test_a_consumer_is_told_by_its_name_and_field(now: dict[str, Any]) -> None:
    uses = {"properties": {"instance": {"properties": {"sku": {"type": "string"}}}}}
    warehouse = {f"{TYPE}.json": uses}
    assert told(now, warehouse=warehouse) == []

    gone(*owner(now[SCHEMA], "instance.sku"))
    assert failures(now, {}, {"warehouse": warehouse}) == [
        (
            f"{TYPE} breaks the consumer warehouse: instance.sku is gone. "
            "Keep it, or announce .v2 beside .v1."
        )
    ]


def test_a_consumer_of_no_event_is_told(now: dict[str, Any]) -> None:
    assert told(now, shop={"catalog.product.sold.v1.json": {}}) == [
        (
            "catalog.product.sold.v1 breaks the consumer shop: it is announced no more. "
            "Keep it, or announce .v2 beside .v1."
        )
    ]


def test_the_contracts_of_today_break_nobody() -> None:
    expected = consumers(ROOT)

    assert {"image-purger", "price-watcher", "warehouse"} <= expected.keys()
    assert failures(released(), releases(ROOT), expected) == []
    assert told(released()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("99.0.0", f"docs/released/99.0.0 is from the future, this is {__version__}: "),
        ("latest", "'latest' is no version: "),
        ("0.01.0", "'0.01.0' is no version: "),
    ],
)
def test_a_folder_that_can_be_no_release_is_told(tmp_path: Path, name: str, said: str) -> None:
    folder = tmp_path / "docs/released" / name
    folder.mkdir(parents=True)
    (folder / "asyncapi.json").write_text(json.dumps({}))

    with pytest.raises(NoRelease) as raised:
        releases(tmp_path)
    assert str(raised.value).startswith(said)


def test_the_gate_is_the_first_check() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    [check] = [number for number, line in enumerate(lines) if line.startswith("check:")]

    assert lines[check + 1] == "\t$(PY) -m tools.contract_gate"
