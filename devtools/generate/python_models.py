"""The models of the Python client, written from the OpenAPI and AsyncAPI documents by datamodel-code-generator.

Models are of what a server sends: answers and events. A client must take what a newer server says, so lengths, patterns
and lists of known values are left out; they are for the server to check.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from devtools.generate.documents import ROOT, documents

MODELS = ROOT / "clients" / "python" / "plaza_client" / "models.py"

HEAD = '''"""Models of what a server sends: written by `make docs` from docs/openapi.json and docs/asyncapi.json."""
'''

REF = re.compile(r"^#/components/schemas/(\w+)$")
CHECKS = frozenset({"title", "examples", "pattern", "enum", "const", "minLength", "maxLength", "minimum", "maximum"})

Schemas = Mapping[str, Any]


def models() -> str:
    """Return the source of the client's models; runs ruff on it."""
    from datamodel_code_generator import Formatter, InputFileType, generate  # 0.3 s, and only for `make docs`
    from datamodel_code_generator.enums import DataModelType
    from datamodel_code_generator.format import PythonVersion

    schemas = received(documents())
    document = {
        "openapi": "3.1.0",
        "info": {"title": "", "version": ""},
        "paths": {},
        "components": {"schemas": schemas},
    }
    written = generate(
        orjson.dumps(document).decode(),
        input_file_type=InputFileType.OpenAPI,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        custom_file_header=HEAD,
        formatters=[Formatter.RUFF_CHECK, Formatter.RUFF_FORMAT],
        settings_path=ROOT,
        base_class="plaza_client.received.Received",
        collapse_root_models=True,
        keep_model_order=True,
        strict_nullable=True,
        use_schema_description=True,
        use_single_line_docstring=True,
    )
    assert isinstance(written, str)
    return written.rstrip("\n") + "\n"


def received(documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas of answers and events, by name, of all services."""
    rest, events = documents["openapi.json"], documents["asyncapi.json"]
    roots = {*_sent_over_rest(rest), *_sent_over_sockets(events)}
    found: dict[str, Any] = {}
    every = events["components"]["schemas"] | rest["components"]["schemas"]
    waiting = sorted(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = every[name]
            waiting += _names(every[name])
    return {name: _lenient(found[name]) for name in sorted(found)}


def _sent_over_rest(document: Schemas) -> Iterator[str]:
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                yield from _names(operation.get("responses"))
    yield from _names(document["components"].get("responses"))


def _sent_over_sockets(document: Schemas) -> Iterator[str]:
    for name, message in document["components"]["messages"].items():
        if name.startswith(("push.", "ack.")):
            yield from _names(message["payload"])


def _names(node: Any) -> Iterator[str]:
    """Yield the names of the schemas that a part of a document refers to."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and (found := REF.match(value)):
                yield found[1]
            elif key != "examples":
                yield from _names(value)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)


def _lenient(node: Any, *, of_names: bool = False) -> Any:
    """Return a schema without what only a server checks; `of_names`: the keys are names of fields, and are all kept."""
    if isinstance(node, dict):
        return {
            key: _lenient(value, of_names=key == "properties")
            for key, value in node.items()
            if of_names or key not in CHECKS
        }
    return [_lenient(each) for each in node] if isinstance(node, list) else node
