"""What a program in another language is to tell of an event that it read."""

import json
from typing import Any


def account(body: dict[str, Any]) -> str:
    """Tell of an event as the programs under `programs/` do."""
    told = [body["sender"], body["signal"]]
    if body["signal"] == "viewed":
        return " ".join([*told, body["product_id"], f"viewer={_text(body['viewer'])}"])
    changes = body["changes"]
    price = (changes or {}).get("price")
    told += [
        f"created={_text(body['created'])}",
        f"instance={_label(body['sender'], body['instance'])}",
        f"original={_label(body['sender'], body['original'])}",
        f"changes={_text(changes if changes is None else sorted(changes))}",
        f"price={_text(price and price['from'] + '>' + price['to'])}",
        f"update_fields={_text(body['update_fields'])}",
        f"origin={_text(body['origin'])}",
        f"actor={_text(body['actor'])}",
    ]
    if body["signal"] == "m2m_changed":
        pk_set = body["pk_set"]
        told += [body["action"], body["field"], f"pk_set={_text(pk_set and len(pk_set))}"]
    return " ".join(told)


def _label(sender: str, snapshot: dict[str, Any] | None) -> str:
    if snapshot is None:
        return "null"
    if sender == "catalog.product":
        variants = sum(len(each["variants"]) for each in snapshot["images"])
        names = ("name", "price", "currency")
        words = [*(snapshot[name] for name in names), f"v{snapshot['version']}"]
        return "/".join([*words, str(len(snapshot["categories"])), str(variants)])
    if sender == "catalog.image":
        size = f"{snapshot['width']}x{snapshot['height']}"
        return f"{snapshot['content_type']}/{size}/{len(snapshot['variants'])}"
    return f"{snapshot['name']}/{snapshot['slug']}/v{snapshot['version']}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
