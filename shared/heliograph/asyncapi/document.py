"""The AsyncAPI document of a service: which events it announces and hears, and where."""

import json
from collections.abc import Sequence
from typing import Any

from heliograph.asyncapi.bodies import camel
from heliograph.asyncapi.examples import body_example, example
from heliograph.asyncapi.schemas import body_schema, header_schema
from heliograph.bus import Queue, queue_arguments
from heliograph.contract import Contract, lineage
from heliograph.events import CONTENT_TYPE, EventKind
from heliograph.signals import QueuedReceiver

_FORMAT = (
    "Events are CloudEvents 1.0 in binary mode: the attributes are headers, the body is JSON. "
    "The headers begin with `ce-`, as in Knative's binding for RabbitMQ: CloudEvents' own AMQP "
    "binding is for AMQP 1.0, and writes `cloudEvents:` or `cloudEvents_`. The properties "
    "`message-id`, `type` and `timestamp` say what `ce-id`, `ce-type` and `ce-time` do, in whole "
    "seconds; `app-id` is the service, `user-id` the broker's user as whom it announces.\n\n"
    "Delivery is at least once: `ce-id` tells a repeat. Events of one subject leave in the order "
    "of their commits. Later releases may add headers, fields, and values of `origin` and "
    "`action`: a reader leaves what it does not know."
)
_BINDING = {"bindingVersion": "0.3.0"}
_SERVERS = {
    "broker": {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "The RabbitMQ broker that the services share; `amqps` where it has TLS.",
        "variables": {
            "host": {"default": "localhost", "description": "Where the broker is."},
            "port": {"default": "5672", "description": "5671 with TLS."},
            "vhost": {
                "default": "%2F",
                "description": "The virtual host, percent-encoded: `%2F` is the one named `/`. "
                "Written out, for some clients take a path of `/` alone for an empty name.",
            },
        },
        "security": [{"type": "userPassword"}],
    }
}


def document(
    *,
    name: str,
    title: str,
    description: str,
    version: str,
    announced: Sequence[EventKind] = (),
    receivers: Sequence[QueuedReceiver] = (),
) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the service `name`.

    What it announces is described as it is promised. What it hears is described by its own
    contracts, as it reads it, unless it announces that itself.
    """
    components = _Components()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    own: dict[tuple[str, type[Contract]], str] = {}
    for each in announced:
        message = own[each.signal, each.contract] = components.message(each)
        channels[each.key] = _key_channel(each, message)
        operations[f"send.{each.key}"] = _operation("send", each.key, [each.type])
    for receiver in receivers:
        queue = receiver.queue(name)
        messages = {}
        for kind in receiver.listens:
            for contract in lineage(kind.contract):
                heard = kind._replace(contract=contract, ordered=None)
                message = own.get((heard.signal, contract)) or components.message(heard, queue)
                messages[heard.type] = message
        channels[queue.name] = _queue_channel(queue, messages)
        operations[f"receive.{queue.name}"] = _operation("receive", queue.name, [*messages])
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:heliograph:{name}",
        "info": {
            "title": title,
            "version": version,
            "description": f"{description}\n\n{_FORMAT}",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": _SERVERS,
        "channels": channels,
        "operations": operations,
        "components": {"messages": components.messages, "schemas": components.schemas},
    }


class _Components:
    """Messages and schemas by name. Two that differ have two names, equal ones are one."""

    def __init__(self) -> None:
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Any] = {}

    def message(self, kind: EventKind, queue: Queue | None = None) -> str:
        """Add the message of an event as it is announced, or as it is read from a queue.

        Returns its name.
        """
        headers, payload = header_schema(kind), body_schema(kind, heard=bool(queue))
        reader = queue.name if queue else ""
        message = {
            "name": kind.type,
            "contentType": CONTENT_TYPE,
            "headers": {"$ref": self._schema(headers, camel(reader))},
            "payload": {"$ref": self._schema(payload, camel(reader))},
            "bindings": {"amqp": {"messageType": kind.type, **_BINDING}},
            "examples": [{"headers": example(headers), "payload": body_example(payload)}],
        }
        name = kind.type
        if self.messages.setdefault(name, message) != message:
            name = f"{reader}.{name}"
            self.messages[name] = message
        return name

    def _schema(self, schema: dict[str, Any], reader: str) -> str:
        """Add a schema and those that it refers to; return a reference to it.

        All are named after their reader if one of them differs from what has its name.
        """
        schema = {name: each for name, each in schema.items() if name not in ("$schema", "$id")}
        found = {**schema.pop("$defs", {}), schema["title"]: schema}
        prefix, named = "", _prefixed("", found)
        if any(self.schemas.get(key, each) != each for key, each in named.items()):
            prefix, named = reader, _prefixed(reader, found)
        self.schemas |= named
        return f"#/components/schemas/{prefix}{schema['title']}"


def _prefixed(prefix: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Move definitions of a schema to the document's components, under longer names."""
    written = json.dumps({prefix + name: each for name, each in schemas.items()})
    found: dict[str, Any] = json.loads(
        written.replace('"#/$defs/', f'"#/components/schemas/{prefix}')
    )
    return found


def _key_channel(kind: EventKind, message: str) -> dict[str, Any]:
    return {
        "address": kind.key,
        "messages": {kind.type: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": kind.exchange, "type": "topic", "durable": True},
                **_BINDING,
            }
        },
    }


def _queue_channel(queue: Queue, messages: dict[str, str]) -> dict[str, Any]:
    return {
        "address": queue.name,
        "messages": {
            type_: {"$ref": f"#/components/messages/{name}"} for type_, name in messages.items()
        },
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": queue.name,
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                },
                "x-arguments": queue_arguments(queue),
                "x-bindings": [
                    {"exchange": each.exchange, "routingKey": each.pattern}
                    for each in queue.bindings
                ],
                **_BINDING,
            }
        },
    }


def _operation(action: str, channel: str, types: Sequence[str]) -> dict[str, Any]:
    binding: dict[str, Any] = (
        {"deliveryMode": 2, "timestamp": True} if action == "send" else {"ack": True}
    )
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{each}"} for each in types],
        "bindings": {"amqp": {**binding, **_BINDING}},
    }
