"""The documents of the API: OpenAPI, AsyncAPI, the Postman collection, and the pages that show them."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person
from support.site import Site, serving

from api.app import ALL
from api.docs import asyncapi, postman
from social.contracts.codec import encode
from social.contracts.messages import CLIENT_MESSAGES
from social.contracts.problems import Problem
from social.contracts.pushes import SERVER_EVENTS
from social.infra.observe import metrics

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")

SERVICES = [service.name for service in ALL]


async def test_the_document_is_valid_and_has_every_route(door: Door) -> None:
    document = (await door.ask("GET", "/openapi.json")).body
    OpenAPIV31SpecValidator(document).validate()
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert listed == {(route.method, route.path) for service in ALL for route in service.routes}
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_has_a_valid_document_and_a_page_of_its_own(door: Door, service: str) -> None:
    document = (await door.ask("GET", f"/openapi/{service}.json")).body
    OpenAPIV31SpecValidator(document).validate()
    tags = {tag for each in document["paths"].values() for operation in each.values() for tag in operation["tags"]}
    assert tags == {service}
    page = await door.ask("GET", f"/docs/{service}")
    assert f"/openapi/{service}.json".encode() in page.raw


async def test_swagger_ui_needs_nobody_elses_server(door: Door) -> None:
    page = await door.ask("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.raw.decode()
    assert "http://" not in text
    assert "https://" not in text
    assets = re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', text)
    assert len(assets) == 3
    for asset in assets:
        answer = await door.ask("GET", asset)
        assert answer.status == 200
        assert len(answer.raw) > 10_000


async def test_every_process_serves_the_postman_collection_of_all_services(door: Door, site: Site) -> None:
    assert b'href="/docs/postman-collection.json" download' in (await door.ask("GET", "/docs")).raw
    whole = await door.ask("GET", "/docs/postman-collection.json")
    assert whole.headers["Content-Type"] == "application/json"
    assert whole.raw == encode(postman.collection(ALL))
    again = await door.ask("GET", "/docs/postman-collection.json", headers={"If-None-Match": whole.headers["ETag"]})
    assert again.status == 304
    async with serving(site.plaza, site.keys, api_services="likes") as likes:
        assert (await likes.ask("GET", "/openapi.json")).body["tags"][0]["name"] == "likes"
        assert (await likes.ask("GET", "/docs/postman-collection.json")).raw == whole.raw


async def test_the_events_page_connects_to_the_gateway_that_the_process_knows(door: Door, site: Site) -> None:
    assert b'io("http://localhost:8081"' in (await door.ask("GET", "/docs/events")).raw
    async with serving(site.plaza, site.keys, api_services="likes", realtime_port=9_001) as other:
        assert b'io("http://localhost:9001"' in (await other.ask("GET", "/docs/events")).raw


async def test_a_page_runs_its_own_scripts_alone_and_keeps_no_token(door: Door) -> None:
    for path in ("/docs", *(f"/docs/{each}" for each in SERVICES)):
        page = await door.ask("GET", path)
        text = page.raw.decode()
        (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        policy = dict(each.strip().split(" ", 1) for each in page.headers["Content-Security-Policy"].split(";"))
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy["script-src"] == f"'self' 'sha256-{digest}'"
        assert policy["connect-src"] == "'self'"
        for name in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            assert policy[name] == "'none'"
        assert "persistAuthorization: true" not in text
        assert 'localStorage.removeItem("authorized")' in script
        assert not re.search(r"\son\w+=|javascript:", text)
        again = await door.ask("GET", path, headers={"If-None-Match": page.headers["ETag"]})
        assert (again.status, again.headers["Content-Security-Policy"]) == (
            304,
            page.headers["Content-Security-Policy"],
        )
    events = await door.ask("GET", "/docs/events")
    assert events.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")


async def test_the_events_page_shows_every_event_and_needs_no_other_file(door: Door) -> None:
    answer = await door.ask("GET", "/docs/events")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text = answer.raw.decode()
    assert len(text) < 120_000
    assert not re.search(r"<(?:script|link|img|iframe)|@import|url\(", text)
    for name in SERVER_EVENTS:
        assert f"<code>{name}</code></h3>" in text
    for name in CLIENT_MESSAGES:
        assert f"<code>{name}</code> (asked)</h3>" in text
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert (await door.ask("GET", "/asyncapi.json")).body == json.loads(json.dumps(asyncapi.document()))


async def test_what_is_answered_is_what_the_document_promises(ada: Person, bob: Person) -> None:
    document = (await ada.ask("GET", "/openapi.json")).body
    post = await ada.publish("hello")
    await bob.like(post)
    await bob.comment(post, "nice")
    seen: dict[str, Any] = {
        "Me": await ada.ask("GET", "/v1/users/me"),
        "Profile": await ada.ask("GET", "/v1/users/bob"),
        "Post": await ada.ask("GET", f"/v1/posts/{post.id}"),
        "Posts": await ada.ask("GET", "/v1/users/ada/posts"),
        "Feed": await ada.ask("GET", "/v1/feed"),
        "Comments": await ada.ask("GET", f"/v1/posts/{post.id}/comments"),
        "Notifications": await ada.ask("GET", "/v1/notifications"),
    }
    for name, answer in seen.items():
        assert set(answer.body) == set(document["components"]["schemas"][name]["properties"]), name
    times = re.findall(rb'"\w+_at":("[^"]+")', seen["Posts"].raw)
    assert times
    assert all(re.fullmatch(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"', each) for each in times)


@pytest.fixture
def nobody_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the text of the metrics that another test requested."""
    monkeypatch.setattr(metrics, "exposition", type(metrics.exposition)())


@pytest.mark.usefixtures("nobody_asked_yet")
async def test_health_and_metrics_need_no_token(door: Door) -> None:
    await door.ask("GET", "/v1/users/me")
    assert (await door.ask("GET", "/livez")).body == {"status": "alive"}
    assert (await door.ask("GET", "/readyz")).body == {"status": "ready", "checks": {"mongo": "ok", "broker": "ok"}}
    text = (await door.ask("GET", "/metrics")).raw.decode()
    assert 'plaza_http_requests_total{method="GET",route="/v1/users/me",status="401"}' in text


@pytest.mark.usefixtures("nobody_asked_yet")
async def test_metrics_of_nonsense_paths_are_one_series(door: Door) -> None:
    for n in range(5):
        await door.ask("GET", f"/nonsense/{n}")
    text = (await door.ask("GET", "/metrics")).raw.decode()
    assert "/nonsense" not in text
    assert 'route="-",status="404"' in text


def problems(kind: type[Problem] = Problem) -> list[type[Problem]]:
    """Return every problem with a code of its own; a subclass without one has the code of its base."""
    more = [each for sub in kind.__subclasses__() for each in problems(sub)]
    return [kind, *more] if "code" in vars(kind) else more


async def test_every_refusal_has_a_code_and_a_title_of_its_own() -> None:
    kinds = problems()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.title for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 600 and re.fullmatch("[a-z_]+", kind.code) for kind in kinds)
