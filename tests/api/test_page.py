"""The reference page as files: policy, caches, packages and size; tests/web looks at it in a browser."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from support.browser import ROOT, node, require_node
from support.one_site import one_door, one_loop, one_site
from support.people import Door
from support.site import Site, serving

from api import page

pytestmark = one_loop
site, door = one_site(realtime_port=9_001), one_door()

APP = ROOT / "web/app"
MOST_LINES = 1_500


async def test_the_page_may_run_its_own_scripts_and_reach_its_own_gateway_alone(door: Door) -> None:
    answer = await door.ask("GET", "/")
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    (import_map,) = re.findall(rb'<script type="importmap">(.+?)</script>', answer.raw)
    digest = base64.b64encode(hashlib.sha256(import_map).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["connect-src"] == "'self' http://127.0.0.1:9001 ws://127.0.0.1:9001"
    assert policy["trusted-types"] == "'none'"
    assert "unsafe" not in str(policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert not re.search(rb'<script>|<style|style=|\son[a-z]+="|https?://', answer.raw), "nothing inline, nobody else's"
    unchanged = await door.ask("GET", "/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (unchanged.status, unchanged.raw) == (304, b"")


async def test_mails_lead_to_the_page(door: Door) -> None:
    for path in page.PATHS:
        assert b'id="app"' in (await door.ask("GET", path)).raw, path


async def test_a_host_that_is_none_gets_no_word_into_the_policy(door: Door) -> None:
    answer = await door.ask("GET", "/", headers={"Host": "evil; script-src *"})
    assert "script-src *" not in answer.headers.get("Content-Security-Policy", "")
    assert b'content=""' in answer.raw or answer.status == 400


async def test_behind_a_trusted_proxy_sockets_go_where_the_page_came_from(site: Site) -> None:
    async with serving(site.plaza, site.keys, trusted_proxies="127.0.0.0/8") as behind:
        answer = await behind.ask("GET", "/")
        assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
        assert b'name="plaza-gateway-port" content=""' in answer.raw


async def test_files_are_kept_for_good_but_not_those_of_another_release(door: Door) -> None:
    html = (await door.ask("GET", "/")).raw.decode()
    release = re.findall(r"\./app/([^/]+)/main\.js", html)[0]
    fresh = await door.ask("GET", f"/app/{release}/main.js")
    assert fresh.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert fresh.headers["Content-Type"] == "text/javascript; charset=utf-8"
    other = await door.ask("GET", "/app/another/main.js")
    assert (other.raw, other.headers["Cache-Control"]) == (fresh.raw, "no-cache")
    for missing in ("nothing.js", "index.html", "../../api/page.py", "..%2F..%2Fapi%2Fpage.py", "vendor/packages.json"):
        (await door.ask("GET", f"/app/{release}/{missing}")).refused(404, "not_found")


async def test_every_module_that_is_imported_is_there_and_asked_for_at_once() -> None:
    loaded = page.load()
    assert {name for name in loaded.files if name.endswith(".js")} == set(
        re.findall(rf'rel="modulepreload" href="\./app/{loaded.release}/([^"]+)"', loaded.template)
    )
    (import_map,) = re.findall(r'"importmap">(.+?)</script>', loaded.template)
    named = json.loads(import_map)["imports"]
    assert {path.removeprefix(f"./app/{loaded.release}/") for path in named.values()} <= set(loaded.files)
    for name, file in loaded.files.items():
        if name.startswith("vendor/") or not name.endswith(".js"):
            continue
        for imported in re.findall(r'^(?:import|export) .*?from "([^"]+)"', file.body.decode(), re.M | re.S):
            relative = (APP / name).parent.joinpath(imported).resolve()
            known = relative.is_relative_to(APP) and relative.relative_to(APP).as_posix() in loaded.files
            assert imported in named or known, f"{name} imports {imported}"


async def test_the_page_can_be_read_in_an_hour() -> None:
    own = [path for path in APP.rglob("*") if path.is_file() and "vendor" not in path.parts]
    lines = {path: len(path.read_text().splitlines()) for path in own}
    assert sum(lines.values()) <= MOST_LINES
    assert all(count <= 300 for path, count in lines.items() if path.suffix != ".css")
    markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|dangerously|document\.write|eval\(|new Function")
    assert not [path for path in own if path.suffix == ".js" and markup.search(path.read_text())], "text only as text"


async def test_vendored_packages_are_those_of_the_lock_with_their_licences(tmp_path: Path) -> None:
    for package in ("preact", "htm", "openapi-fetch", "socket.io-client"):
        require_node(package)
    code, output = await node("web/vendor.mjs", tmp_path)
    assert code == 0, output
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name: path.read_bytes() for path in (APP / "vendor").iterdir()} == written, "run `make vendor`"
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for licence in (name for name in written if name.endswith(".LICENSE")):
        name, version = licence.removesuffix(".LICENSE").rsplit("-", 1)
        spelled = {path.removeprefix("node_modules/").replace("@", "").replace("/", "-"): path for path in locked}
        assert locked[spelled[name]]["version"] == version


@pytest.mark.parametrize("name", ["preact", "@preact/signals", "@preact/signals-core", "htm", "socket.io-client"])
async def test_a_vendored_package_names_its_version(name: str) -> None:
    packages = json.loads((APP / "vendor/packages.json").read_text())
    assert re.fullmatch(rf"{re.escape(name.replace('@', '').replace('/', '-'))}-\d+\.\d+\.\d+\.js", packages[name])
