"""The examples in the AsyncAPI document are real frames: every event and every message, with its ack."""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.frames import Frames, collect
from support.ports import free_ports
from support.recorded import normal, shape, without_unknown
from support.system import Embedded

from api.docs.asyncapi import EXAMPLES, document
from social.contracts.messages import CLIENT_MESSAGES
from social.contracts.pushes import SERVER_EVENTS

WRITE = "WRITE_EXAMPLES"  # when set, this test writes its expectation instead


@pytest.fixture(scope="module")
def kept() -> Frames:
    frames: Frames = json.loads(EXAMPLES.read_text())
    return frames


async def test_the_examples_are_what_a_running_system_sends_and_answers(tmp_path: Path) -> None:
    api_port, realtime_port = free_ports(2)
    async with Embedded(tmp_path / "var", api_port=api_port, realtime_port=realtime_port) as system:
        frames = normal(await collect(system))
    if WRITE in os.environ:
        EXAMPLES.write_text(json.dumps(frames, indent=2, ensure_ascii=False) + "\n")
    kept = json.loads(EXAMPLES.read_text())
    assert {kind: list(frames[kind]) for kind in frames} == {kind: list(kept[kind]) for kind in kept}
    for kind, of_kind in frames.items():
        for name, frame in of_kind.items():
            assert shape(frame) == shape(kept[kind][name]), f"{name}: {WRITE}=1 writes the examples again"


def test_the_document_shows_them_all_and_each_is_as_its_schema_says() -> None:
    said = document()
    assert set(said["components"]["messages"]) == {
        *(f"push.{name}" for name in SERVER_EVENTS),
        *(f"{kind}.{name}" for name in CLIENT_MESSAGES for kind in ("ask", "ack")),
    }
    for name, message in said["components"]["messages"].items():
        schema = {**message["payload"], "components": said["components"]}
        assert message["examples"], name
        for example in message["examples"]:
            Draft202012Validator(schema).validate(example["payload"])
            assert without_unknown(example["payload"], message["payload"], said), name
