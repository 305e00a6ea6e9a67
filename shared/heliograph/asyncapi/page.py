"""The AsyncAPI document as a page for people: HTML, without scripts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from heliograph.asyncapi.fields import bounds, breaking, kind, link, phrase, prose, table

STYLE = (files("heliograph.asyncapi") / "page.css").read_text(encoding="utf-8")

# Relative, for the page may be served below another path by a proxy.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: events</title>
<link rel="stylesheet" href="asyncapi/page.css">
</head>
<body>
<a class="skip" href="#content">To the events</a>
<nav aria-label="Contents">
{contents}
</nav>
<main id="content">
<h1>{title} <small>{version}</small></h1>
{description}
<p>The same for programs: <a href="asyncapi.json">asyncapi.json</a>.</p>
{sections}
</main>
</body>
</html>
"""


def page(document: Mapping[str, Any]) -> str:
    """Write a document of `document`; the page asks for `STYLE` at `asyncapi/page.css`."""
    written = _Page(document)
    info = document["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=prose(info["description"]),
        contents=written.contents(),
        sections=written.sections(),
    )


class _Page:
    """What a page has of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._broker = document["servers"]["broker"]
        self._schemas = document["components"]["schemas"]
        self._messages = document["components"]["messages"]
        channels = document["channels"].values()
        self._queues = [each for each in channels if _amqp(each)["is"] == "queue"]
        self._keys = {
            message: each
            for each in channels
            if _amqp(each)["is"] == "routingKey"
            for message in _names(each)
        }
        """The channel of each message that is announced."""
        self._heard = [name for name in self._messages if name not in self._keys]
        whole = {
            _last(message[part])
            for message in self._messages.values()
            for part in ("headers", "payload")
        }
        self._types = {name: each for name, each in self._schemas.items() if name not in whole}

    def contents(self) -> str:
        announced = [(f"event-{name}", each["address"]) for name, each in self._keys.items()]
        queues = [(f"queue-{each['address']}", each["address"]) for each in self._queues]
        types = [(f"type-{name}", name) for name in self._types]
        return "\n".join(
            (
                _contents("announces", "Announces", announced),
                _contents("hears", "Hears", queues),
                _contents("types", "Types", types),
                _contents("broker", "Broker", ()),
            )
        )

    def sections(self) -> str:
        announced = [self._event(name) for name in self._keys]
        heard = [*map(self._queue, self._queues), *map(self._event, self._heard)]
        types = [_type(name, each) for name, each in self._types.items()]
        return "\n".join(
            (
                _section("announces", "Announces", announced, "This service announces nothing."),
                _section("hears", "Hears", heard, "This service hears nothing."),
                _section("types", "Types", types, "No event has a type of its own."),
                _section("broker", "Broker", [_server(self._broker)], ""),
            )
        )

    def _event(self, name: str) -> str:
        message = self._messages[name]
        headers, body = (self._schemas[_last(message[part])] for part in ("headers", "payload"))
        title, facts = name, []
        if channel := self._keys.get(name):
            title = channel["address"]
            exchange = _amqp(channel)["exchange"]["name"]
            ordered = "ce-subjectsequence" in headers["required"]
            facts = [
                ("Type", f"<code>{breaking(message['name'])}</code>"),
                ("Exchange", f"<code>{breaking(exchange)}</code>, a topic exchange"),
                ("Order", "of the commits, for each subject" if ordered else "none"),
            ]
        queues = [each["address"] for each in self._queues if name in _names(each)]
        if queues:
            links = ", ".join(link(f"queue-{each}", breaking(each)) for each in queues)
            facts.append(("Bound here", links))
        [example] = message["examples"]
        return (
            f'<article id="event-{escape(name)}">\n<h3>{breaking(title)}</h3>\n{_facts(facts)}\n'
            f"{table(body, 'Body')}\n"
            f"<details><summary>Headers</summary>{table(headers, 'Headers')}</details>\n"
            f"<details><summary>Example</summary>{_code('Headers', example['headers'])}"
            f"{_code('Body', example['payload'])}</details>\n</article>"
        )

    def _queue(self, channel: Mapping[str, Any]) -> str:
        binding = _amqp(channel)
        titles = dict(zip(channel["messages"], _names(channel), strict=True))
        events = ", ".join(link(f"event-{name}", breaking(each)) for each, name in titles.items())
        bound = "<br>".join(
            f"<code>{breaking(each['routingKey'])}</code> on "
            f"<code>{breaking(each['exchange'])}</code>"
            for each in binding["x-bindings"]
        )
        facts = [("Bound to", bound), ("Events", events)]
        return (
            f'<article id="queue-{escape(channel["address"])}">\n'
            f"<h3>{breaking(channel['address'])}</h3>\n{_facts(facts)}\n"
            f"<details><summary>Arguments of the queue</summary>"
            f"{_code('Arguments', binding['x-arguments'])}</details>\n</article>"
        )


def _amqp(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    binding: Mapping[str, Any] = channel["bindings"]["amqp"]
    return binding


def _last(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _names(channel: Mapping[str, Any]) -> list[str]:
    """The messages of a channel, by their names in the document."""
    return [_last(each) for each in channel["messages"].values()]


def _contents(anchor: str, title: str, entries: Sequence[tuple[str, str]]) -> str:
    items = "".join(f"<li>{link(each, breaking(text))}</li>" for each, text in entries)
    return f"<p>{link(anchor, title)}</p>" + (f"<ul>{items}</ul>" if items else "")


def _section(anchor: str, title: str, articles: Iterable[str], otherwise: str) -> str:
    content = "\n".join(articles) or f"<p>{otherwise}</p>"
    return f'<section id="{anchor}">\n<h2>{title}</h2>\n{content}\n</section>'


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts) + "</dl>"


def _type(name: str, schema: Mapping[str, Any]) -> str:
    told = prose(schema["description"]) if "description" in schema else ""
    if "properties" in schema:
        fields = table(schema, "Fields")
    else:
        words = [each for each in schema.get("examples", ()) if each is not None]
        facts = [("Is", kind(schema)), ("Bounds", " ".join(bounds(schema)))]
        facts.append(("Such as", ", ".join(f"<code>{escape(str(each))}</code>" for each in words)))
        fields = _facts((label, text) for label, text in facts if text)
    return (
        f'<article id="type-{escape(name)}">\n<h3>{escape(name)}</h3>\n{told}\n{fields}\n</article>'
    )


def _server(broker: Mapping[str, Any]) -> str:
    address = f"{broker['protocol']}://{broker['host']}{broker['pathname']}"
    facts = []
    for name, each in broker["variables"].items():
        told = f"{phrase(each['description'])} As in <code>{escape(each['default'])}</code>."
        facts.append((f"<code>{escape(name)}</code>", told))
    return (
        f"<article>{prose(broker['description'])}<p><code>{breaking(address)}</code></p>"
        f"{_facts(facts)}</article>"
    )


def _code(label: str, value: Any) -> str:
    """Write JSON in a box that can be scrolled by keys."""
    written = escape(json.dumps(value, indent=2, ensure_ascii=False), quote=False)
    return (
        f'<p>{label}</p><pre tabindex="0" role="region" aria-label="{label}"><code>{written}'
        "</code></pre>"
    )
