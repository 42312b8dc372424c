"""JSON that JavaScript writes but that cannot be stored here: it is answered, and costs no connection."""

import asyncio

import pytest
from pydantic import ValidationError
from support.browser import page
from support.eventually import LONG_S

from social.contracts.messages import CLIENT_MESSAGES

HALF = "hello 😀"[:6] + "\ud83d"  # "hello 😀".slice(0, 7)
ENGINES = pytest.mark.parametrize("engine", ["native", "portable"])
TRANSPORTS = pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=str)


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


async def connected(hers, gateway, person, transports, **more):
    auth, options = more.pop("auth", {}), {"transports": transports, **more}
    url = f"http://127.0.0.1:{gateway.port}"
    await hers.do(connect={"url": url, "auth": {"token": person.token, **auth}, "options": options})
    return await hers.next("connect")


@ENGINES
@TRANSPORTS
async def test_half_an_emoji_is_a_wrong_field_and_the_connection_stays(world, ada, engine, transports):
    gateway = await world.gateway(realtime_engine=engine)
    async with page() as hers:
        await connected(hers, gateway, ada, transports, auth={"name": HALF, "pid": HALF, "offset": HALF})
        answer = await hers.ask("post.create", {"text": HALF})
        assert answer["problem"]["code"] == "validation_failed"
        assert answer["problem"]["errors"][0]["pointer"] == "/text"
        for data in ({HALF: 1}, {"text": "x", HALF: HALF}, HALF, [HALF], {"post_id": HALF}, {"text": {"a": HALF}}):
            assert (await hers.ask("post.create", data))["problem"]["code"] == "validation_failed", ascii(data)
        assert (await hers.ask(HALF, {}))["problem"]["code"] == "not_found"
        assert (await hers.ask("post.create", {"text": "hello 😀"}))["ok"]
        assert len(hers.all("connect")) == 1
        assert hers.all("disconnect") == []


@ENGINES
@TRANSPORTS
async def test_deep_nesting_and_odd_names_are_answered(world, ada, engine, transports):
    gateway = await world.gateway(realtime_engine=engine)
    async with page() as hers:
        await connected(hers, gateway, ada, transports)
        for levels in (100, 400, 900):
            code = (await hers.ask("post.create", nested(levels)))["problem"]["code"]
            assert code == "validation_failed", levels
        assert (await hers.ask("post.create", {"text": HALF, "more": nested(600)}))["problem"][
            "code"
        ] == "malformed_json"
        for name in (1, -2, 0.5, ""):
            assert (await hers.ask(name, {}))["problem"]["code"] == "not_found", name
        await hers.do(binary="post.create")
        assert (await hers.next("ack", len(hers.all("ack")) + 1))["problem"]["code"] == "validation_failed"
        assert (await hers.ask("sync", {"after": "x"}))["ok"]
        assert hers.all("disconnect") == []


@ENGINES
async def test_what_is_nested_more_deeply_than_anything_is_malformed(world, ada, engine):
    gateway = await world.gateway(realtime_engine=engine)
    wire = await ada.connect(gateway)
    for number, name in enumerate(("post.create", "no.such.thing")):
        asked = wire._acks[900 + number] = asyncio.get_running_loop().create_future()
        await wire.send(f'42{900 + number}["{name}",' + "[" * 25_000 + "]" * 25_000 + "]")
        problem = (await asyncio.wait_for(asked, LONG_S))["problem"]
        assert problem["code"] == ("not_found" if number else "malformed_json")
    assert (await wire.ask("sync", {"after": "x"}))["ok"]
    deep = "[" * 25_000 + "]" * 25_000
    refused = await world.wire(gateway.port, {"token": "later"})
    await refused.send(f'40{{"token":"{ada.token}","more":{deep}}}')
    await refused.until(lambda: refused.refused["data"]["code"] == "malformed_json")
    await refused.send(f'40{{"token":"{ada.token}"}}')
    await refused.until(lambda: refused.connected)


@ENGINES
async def test_a_client_that_forces_base64_is_read_on_a_websocket(world, ada, engine):
    gateway = await world.gateway(realtime_engine=engine)
    async with page() as hers:
        await connected(hers, gateway, ada, ["websocket"], forceBase64=True)
        await hers.do(binary="post.create")
        assert (await hers.next("ack"))["problem"]["code"] == "validation_failed"
        assert (await hers.ask("sync", {"after": "x"}))["ok"]
        assert hers.all("disconnect") == []


STRINGS = [
    (event, field)
    for event, message in CLIENT_MESSAGES.items()
    for field, schema in message.model_json_schema()["properties"].items()
    if {"type": "string"}.items() <= schema.items() or any(each["type"] == "string" for each in schema.get("anyOf", ()))
]


@pytest.mark.parametrize(("event", "field"), STRINGS)
def test_no_field_of_a_message_takes_half_a_character(event, field):
    with pytest.raises(ValidationError) as refused:
        CLIENT_MESSAGES[event].model_validate({field: HALF})
    assert field in {each["loc"][0] for each in refused.value.errors()}


def test_the_fields_were_found():
    assert {event for event, _ in STRINGS} >= CLIENT_MESSAGES.keys() - {"presence.watch", "presence.unwatch"}
