"""The AsyncAPI 3.1 document of the socket, generated from the contracts."""

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.docs.openapi import CONTACT, LICENSE
from social.contracts.codec import decode
from social.contracts.messages import CLIENT_MESSAGES, Message
from social.contracts.problems import ProblemBody
from social.contracts.pushes import SERVER_EVENTS, ServerEvent

REFERENCE = "#/components/schemas/{model}"
SECURITY = {"$ref": "#/components/securitySchemes/token"}

EXAMPLES = Path(__file__).with_name("examples.json")  # frames recorded by tests/system/test_examples.py

GUARANTEES = {
    "stream": "Complete, in order and once (G3); the argument after the body is the offset to resume from.",
    "hint": "Live state (G4), with a version where one can be compared. A missed push is not repeated; few come twice.",
}
AUTH = "The access token, as `token` of the `auth` object with which the client connects."
GATEWAY = {
    "host": "{host}",
    "pathname": "/socket.io/",
    "protocol": "ws",
    "description": "A gateway, reached by HTTP long polling or by WebSocket.",
    "variables": {"host": {"default": "localhost:8081", "description": "where clients reach Socket.IO"}},
    "security": [SECURITY],
}
TAGS = {**GUARANTEES, "ask": "A message from a client; each is acked."}


def document() -> dict[str, Any]:
    """Return the AsyncAPI document of every event that server or client can send."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemBody, "serialization"): None}
    for event in SERVER_EVENTS.values():
        models[(event.body, "serialization")] = None
    for message in CLIENT_MESSAGES.values():
        models[(message, "validation")] = None
        if message.answer is not None:
            models[(message.answer, "serialization")] = None
    _, schemas = models_json_schema(list(models), ref_template=REFERENCE)
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event in SERVER_EVENTS.values():
        messages[_name(event.name)] = _pushed(event)
        operations[f"push.{event.name}"] = _operation("send", event.name, event.summary) | {
            "description": GUARANTEES[event.kind],
            "tags": [{"$ref": f"#/components/tags/{event.kind}"}],
        }
    for name, message in CLIENT_MESSAGES.items():
        messages[_name(name, "ask")] = _asked(message)
        messages[_name(name, "ack")] = _acked(message)
        operations[f"ask.{name}"] = _operation("receive", name, message.summary, "ask") | {
            "description": _asked_of(message),
            "tags": [{"$ref": "#/components/tags/ask"}],
            "reply": {
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": f"#/channels/socket/messages/{_name(name, 'ack')}"}],
            },
        }
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Plaza over Socket.IO",
            "version": "1",
            "description": (
                "Stock Socket.IO 5 (Engine.IO 4). Authenticate with `auth: {token}`, never in the URL. Every message "
                "from a client is acked `{ok: true, data}` or `{ok: false, problem}` with the problem object of REST, "
                "one that cannot be read with `malformed_json`. A refused connect is a `connect_error` whose `data` is "
                "that object: `token_expired`, `session_revoked`, or `invalid_token`, where `errors` name `missing`, "
                "`bearer_prefix`, `string_type` or `string_too_long`. After `disconnect()` by either side "
                "`recovered` is false."
            ),
            "contact": CONTACT,
            "license": {"name": LICENSE, "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"$ref": f"#/components/tags/{name}"} for name in TAGS],
        },
        "servers": {"gateway": GATEWAY},
        "channels": {
            "socket": {
                "address": "/",
                "title": "The default namespace",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas["$defs"],
            "tags": {name: {"name": name, "description": says} for name, says in TAGS.items()},
            "securitySchemes": {"token": {"type": "apiKey", "in": "password", "description": AUTH}},
        },
    }


def _name(event: str, kind: str = "push") -> str:
    return f"{kind}.{event}"


def _operation(action: str, event: str, says: str, kind: str = "push") -> dict[str, Any]:
    return {
        "action": action,
        "summary": says,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{_name(event, kind)}"}],
        "security": [SECURITY],
    }


def _asked_of(message: type[Message]) -> str:
    data = f"a `{message.answer.__name__}`" if message.answer else "null"
    return f"The `data` of a good ack is {data}. A refusal has the problem object of REST."


def _pushed(event: ServerEvent) -> dict[str, Any]:
    body = {"$ref": REFERENCE.format(model=event.body.__name__)}
    return {
        "name": event.name,
        "summary": event.summary,
        "description": GUARANTEES[event.kind],
        "payload": body,
        "examples": _examples("pushed", event.name, "body"),
        # The offset of the example, where one follows the body as an argument of its own.
        "x-offset": event.kind == "stream" and _recorded()["pushed"].get(event.name, {}).get("offset", True),
    }


def _asked(message: type[Message]) -> dict[str, Any]:
    body = {"$ref": REFERENCE.format(model=message.__name__)}
    examples = _examples("asked", message.event, "ask")
    return {"name": message.event, "summary": message.summary, "payload": body, "examples": examples}


def _acked(message: type[Message]) -> dict[str, Any]:
    data = {"$ref": REFERENCE.format(model=message.answer.__name__)} if message.answer else {"type": "null"}
    good = {"ok": {"const": True}, "data": data}
    bad = {"ok": {"const": False}, "problem": {"$ref": REFERENCE.format(model="ProblemBody")}}
    shapes = [{"type": "object", "properties": each, "required": list(each)} for each in (good, bad)]
    examples = _examples("asked", message.event, "ack", "refused")
    summary = f"The ack of {message.event}."
    return {"name": message.event, "summary": summary, "payload": {"oneOf": shapes}, "examples": examples}


@cache
def _recorded() -> Any:
    return decode(EXAMPLES.read_bytes())


def _examples(kind: str, event: str, *parts: str) -> list[dict[str, Any]]:
    """Return the recorded frames of an event; none for a new event, until a system has run and sent it."""
    frames = _recorded()[kind].get(event, {})
    return [{"payload": frames[part]} for part in parts if part in frames]
