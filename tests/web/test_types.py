"""The types of web/types: equal to the documents, and fit for an app and real frames under `tsc --strict`."""

import json
from pathlib import Path

import pytest
from support.browser import node, require_node

from api.docs.asyncapi import EXAMPLES

ROOT = Path(__file__).parents[2]
TYPES = ROOT / "web/types"

FRAMES = """
import type { ClientToServerEvents as C, ServerToClientEvents as S } from "%(types)s/events";
type Asked<E extends keyof C> = { ask: Parameters<C[E]>[0]; ack: Acked<E>; refused?: Acked<E> };
type Acked<E extends keyof C> = Parameters<Parameters<C[E]>[1]>[0];
export const pushed: { [E in keyof S]: Parameters<S[E]>[0] } = %(pushed)s;
export const asked: { [E in keyof C]: Asked<E> } = %(asked)s;
"""


@pytest.fixture(autouse=True)
def needs() -> None:
    for package in ("openapi-typescript", "typescript", "socket.io-client"):
        require_node(package)


async def test_the_types_are_what_the_documents_say(tmp_path: Path) -> None:
    code, output = await node("web/types/write.mjs", tmp_path)
    assert code == 0, output
    for name in ("rest.d.ts", "events.d.ts"):
        assert (TYPES / name).read_text() == (tmp_path / name).read_text(), f"{name} has drifted: run `make docs`"


async def test_an_app_and_every_real_frame_pass_tsc_and_what_is_wrong_does_not(tmp_path: Path) -> None:
    frames = json.loads(EXAMPLES.read_text())
    pushed = {name: each["body"] for name, each in frames["pushed"].items()}
    said = {"types": TYPES, "pushed": json.dumps(pushed), "asked": json.dumps(frames["asked"])}
    (tmp_path / "frames.ts").write_text(FRAMES % said)
    files = [tmp_path / "frames.ts", ROOT / "tests/web/client.ts", TYPES / "events.d.ts", TYPES / "rest.d.ts"]
    config = {"extends": str(ROOT / "tests/web/tsconfig.json"), "files": list(map(str, files))}
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    code, output = await node("node_modules/typescript/bin/tsc", "-p", tmp_path / "tsconfig.json")
    assert (code, output) == (0, "")
