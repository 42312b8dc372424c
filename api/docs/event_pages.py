"""The socket's events for people: docs/events.md and the page `/docs/events`, both from the AsyncAPI document."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

ID = "^[0-9a-f]{24}$"

CONNECT = """\
import { io } from "socket.io-client";

const socket = io({address}{ auth: { token } });
socket.on("notification", (notification, offset) => console.log(notification.type, offset));
const ack = await socket.emitWithAck("post.like", { post_id });
if (!ack.ok) console.log(ack.problem.code);"""

STYLE = """\
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 3rem; } h3 { margin: 2.5rem 0 0; padding-top: .5rem; border-top: 1px solid var(--line); }
code, pre { font: 14px/1.45 ui-monospace, monospace; } h3 code { font-size: 1rem; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
nav { columns: 16rem; } nav a { display: block; } th { border-bottom: 1px solid var(--line); }"""


class Block(NamedTuple):
    """A piece of the page: heading (`detail`: its level), text, table, or code (`detail`: its language)."""

    kind: str
    body: Any
    detail: Any = None


def markdown(document: Schema, port: int) -> str:
    """Return docs/events.md, whose example connects to `port` of this machine."""
    return "\n\n".join(map(_as_markdown, _blocks(document, port))) + "\n"


def page(document: Schema, port: int | None) -> str:
    """Return one page of HTML that needs no other file.

    Its example connects to `port` of this machine, or to the origin of the page where `port` is None.
    """
    blocks = list(_blocks(document, port))
    first = next(at for at, block in enumerate(blocks) if block.kind == "heading" and block.detail == 2)
    headings = [block.body for block in blocks if block.kind == "heading" and block.detail == 3]
    links = "\n".join(f'<a href="#{_anchor(each)}">{_inline(each)}</a>' for each in headings)
    parts = [*map(_as_html, blocks[:first]), f"<nav>\n{links}\n</nav>", *map(_as_html, blocks[first:])]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(document['info']['title'])}</title>\n<style>\n{STYLE}\n</style>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def _blocks(document: Schema, port: int | None) -> Iterator[Block]:
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    yield Block("heading", document["info"]["title"], 1)
    yield Block("text", document["info"]["description"])
    address = "" if port is None else f'"http://localhost:{port}", '
    yield Block("code", CONNECT.replace("{address}", address), "js")
    yield Block("heading", "From the server", 2)
    for name in (each for each in messages if each.startswith("push.")):
        yield from _pushed(messages[name])
    yield Block("heading", "From clients", 2)
    yield Block(
        "text", "Every message is acked. A write may carry an `idempotency_key`; its retry gets the first answer."
    )
    for name in (each for each in messages if each.startswith("ask.")):
        yield from _asked(messages[name], messages["ack." + name.removeprefix("ask.")], schemas)
    yield Block("heading", "Shapes", 2)
    for name in sorted(_named(messages, schemas)):
        yield from _shape(name, schemas[name])


def _pushed(message: Schema) -> Iterator[Block]:
    yield Block("heading", f"`{message['name']}`", 3)
    yield Block("text", f"{message['summary']} {message['description']} Its body: {_kind(message['payload'])}.")
    for example in message["examples"]:
        frame = _json(example["payload"])
        offset = message["x-offset"]
        yield Block("code", f"{frame}, {_json(offset)}" if offset else frame, "js")


def _asked(ask: Schema, ack: Schema, schemas: dict[str, Schema]) -> Iterator[Block]:
    yield Block("heading", f"`{ask['name']}` (asked)", 3)
    data = _kind(ack["payload"]["oneOf"][0]["properties"]["data"])
    yield Block("text", f"{ask['summary']} `data` of a good ack: {data}.")
    yield Block("table", list(_fields(schemas[_reference(ask["payload"])])))
    frames = [("asked", each) for each in ask["examples"]]
    frames += [("acked" if each["payload"]["ok"] else "refused", each) for each in ack["examples"]]
    yield Block("code", "\n".join(f"// {word}\n{_json(each['payload'])}" for word, each in frames), "js")


def _shape(name: str, schema: Schema) -> Iterator[Block]:
    yield Block("heading", f"Shape {name}", 3)
    yield Block("text", " ".join(schema.get("description", "").split()))
    yield Block("table", list(_fields(schema)))


def _fields(schema: Schema) -> Iterator[tuple[str, str, str]]:
    needed = schema.get("required", ())
    strict = (
        schema.get("additionalProperties") is False
    )  # the body of a message from a client, where a field may be left out
    for name, field in schema.get("properties", {}).items():
        kind = _kind(field) + (", may be left out" if strict and name not in needed else "")
        yield f"`{name}`", kind, " ".join(field.get("description", "").split())


def _kind(schema: Schema) -> str:
    """Return the kind of a value in words."""
    if "$ref" in schema:
        name = _reference(schema)
        return f"[{name}](#{_anchor(f'Shape {name}')})"
    if choices := schema.get("anyOf"):
        return " or ".join(_kind(each) for each in choices)
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        bounds = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {_kind(schema['items'])}{bounds}"
    if kind == "string":
        return _text(schema)
    return {"integer": "integer", "number": "number", "boolean": "true or false", "null": "`null`"}.get(
        kind or "", "any"
    )


def _text(schema: Schema) -> str:
    if schema.get("pattern") == ID:
        return "id"
    if schema.get("format") == "date-time":
        return "time"
    most = schema.get("x-maxCharacters", schema.get("maxLength"))
    return f"text, at most {most:,} characters" if most else "text"


def _named(messages: Schema, schemas: dict[str, Schema]) -> set[str]:
    """Return the names of schemas that a push, an answer or another shape uses; messages show their own fields."""
    found: set[str] = set()
    waiting = [each["payload"] for name, each in messages.items() if not name.startswith("ask.")]
    waiting += [schemas[_reference(each["payload"])] for name, each in messages.items() if name.startswith("ask.")]
    while waiting:
        for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(waiting.pop())):
            if name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def _reference(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 110 else json.dumps(value, ensure_ascii=False, indent=2)


def _anchor(heading: str) -> str:
    """Return the anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _as_markdown(block: Block) -> str:
    if block.kind == "heading":
        return f"{'#' * block.detail} {block.body}"
    if block.kind == "code":
        return f"```{block.detail}\n{block.body}\n```"
    if block.kind == "table":
        return "\n".join(["| field | is | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in block.body)])
    return str(block.body)


def _as_html(block: Block) -> str:
    if block.kind == "heading":
        level = block.detail
        return f'<h{level} id="{_anchor(block.body)}">{_inline(block.body)}</h{level}>'
    if block.kind == "code":
        return f"<pre>{html.escape(block.body, quote=False)}</pre>"
    if block.kind == "table":
        rows = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>\n" for row in block.body)
        return f"<table>\n<tr><th>field</th><th>is</th><th></th></tr>\n{rows}</table>"
    return f"<p>{_inline(block.body)}</p>"


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\[([^\]]+)\]\((#[^)]+)\)", r'<a href="\2">\1</a>', escaped)
