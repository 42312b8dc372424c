"""The Postman collection, run by newman against a live API; what it hears is held against the OpenAPI document."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from support.browser import require_node
from support.one_site import one_door, one_loop, one_site
from support.people import Door
from support.recorded import normal, shape, without_unknown
from support.refusals import refusals
from support.site import Site

from api.app import ALL
from api.docs import answers, openapi, postman
from api.pictures import PICTURES
from social.contracts.problems import BodyTimeout, RateLimited, Unavailable

pytestmark = one_loop
site, door = one_site(public_reads="on"), one_door()

ROOT = Path(__file__).parents[2]
NEWMAN = ROOT / "node_modules/newman/bin/newman.js"
WRITE = "WRITE_EXAMPLES"  # when set, a test writes its expectation instead
# How much of these is there depends on how far the workers are.
FROM_WORKERS = ("get_activity", "get_notifications", "sync")
BYTES = ("get_media", "get_thumbnail", "get_avatar")
NOT_SHOWN = {"multipart/form-data", *PICTURES}
RARE = (BodyTimeout, RateLimited, Unavailable)  # not to be had at once; the one problem of its status each


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(door: Door, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the collection; return newman's report."""
    require_node("newman")
    report = tmp_path_factory.mktemp("newman") / "report.json"
    people = {"base_url": door.url, "username": "ada", "other_username": "bob"}
    process = await asyncio.create_subprocess_exec(
        "node", NEWMAN, "run", ROOT / "docs/postman-collection.json",
        *(word for each in people.items() for word in ("--env-var", "=".join(each))),
        "--reporters", "cli,json", "--reporter-json-export", report, "--color", "off",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    return json.loads(report.read_text())["run"]


async def test_every_request_of_the_collection_gets_the_answer_it_says(run: Any) -> None:
    assert run["stats"]["requests"]["total"] == len(postman.STEPS)
    assert run["stats"]["assertions"]["total"] == len(postman.STEPS)


async def test_the_examples_of_the_document_are_what_was_really_said_and_answered(run: Any, site: Site) -> None:
    operations = _heard(run) | await _public_reads(site.door)
    heard = {"operations": _normal(operations), "refusals": _normal(await refusals(site))}
    if WRITE in os.environ:
        answers.RECORDED.write_text(json.dumps(heard, indent=2, ensure_ascii=False) + "\n")
    kept = json.loads(answers.RECORDED.read_text())
    assert all(example.get("answer", {}).get("items") != [] for example in kept["operations"].values())
    assert kept["operations"]["sync"]["answer"]["events"]
    assert {kind: set(heard[kind]) for kind in heard} == {kind: set(kept[kind]) for kind in kept}
    for kind, examples in heard.items():
        for name, example in examples.items():
            same = name in FROM_WORKERS or shape(example) == shape(kept[kind][name])
            assert same, f"{name}: {WRITE}=1 writes the examples again"


def _normal(named: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(named, normal(list(named.values())), strict=True))  # names of operations are no fields


def _heard(run: Any) -> dict[str, Any]:
    """Return the first request and good answer of each operation."""
    found: dict[str, Any] = {}
    for step, each in zip(postman.STEPS, run["executions"], strict=True):
        example: dict[str, Any] = {}
        if step.body is not None:
            example["request"] = json.loads(each["request"]["body"]["raw"])
        if each["response"]["code"] in (200, 201) and step.operation not in BYTES:
            example["answer"] = json.loads(bytes(each["response"]["stream"]["data"]))
        found.setdefault(step.operation, example)
    return found


async def _public_reads(door: Door) -> dict[str, Any]:
    """Return the answer of each operation that needs no login; the collection has none of them."""
    ada = await door.register("ada_public")
    post = await ada.publish("hello #plaza")
    comment = await ada.comment(post, "and welcome")
    await ada.reply(comment, "thank you")
    values = {"username": ada.username, "post_id": post.id, "comment_id": comment.id}
    found: dict[str, Any] = {}
    for path, methods in openapi.document(ALL)["paths"].items():
        if path.startswith(postman.PUBLIC):
            answer = await door.ask("GET", path.format(**values))
            assert answer.status == 200, answer
            found[methods["get"]["operationId"]] = {"answer": answer.body}
    return found


async def test_every_operation_has_examples_and_each_is_as_its_schema_says() -> None:
    said = openapi.document(ALL)
    operations = [each for methods in said["paths"].values() for each in methods.values()]
    for operation in operations:
        for _, media in _media(operation):
            for example in _examples(media, said):
                schema = {**media["schema"], "components": said["components"]}
                Draft202012Validator(schema).validate(example)
                assert without_unknown(example, media["schema"], said), operation["operationId"]
        bare = {kind for kind, media in _media(operation) if "example" not in media and "examples" not in media}
        assert bare <= NOT_SHOWN, operation["operationId"]


def _media(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the kinds of all bodies of an operation but refusals that are rare."""
    rare = {str(problem.status) for problem in RARE}
    answers = [each for status, each in operation["responses"].items() if status not in rare]
    bodies = [operation.get("requestBody", {}), *answers]
    return [each for body in bodies for each in body.get("content", {}).items()]


def _examples(media: dict[str, Any], said: dict[str, Any]) -> list[Any]:
    named = [said["components"]["examples"][name]["value"] for name in media.get("examples", {})]
    return [media["example"], *named] if "example" in media else named


async def test_an_operation_without_a_step_is_named() -> None:
    with pytest.raises(LookupError, match="create_post"):
        postman.collection([service for service in ALL if service.name != "posts"])
