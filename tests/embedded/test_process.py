"""The process that `make run` starts: it prints its addresses, keeps its data, and leaves no process behind."""

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.attempts import attempted
from support.disks import small_disk
from support.eventually import eventually
from support.people import door_to, texts
from support.processes import gone

from embedded.store import Store, noted_url
from social.infra.process.process import PATIENCE_S
from social.infra.store.mongo import Mongo


async def test_it_says_where_to_look(machine: Any) -> None:
    program = await machine.running()
    async with door_to(machine.url) as door:
        assert (await door.ask("GET", "/docs")).status == 200
        assert (await door.ask("GET", "/livez")).status == 200
        assert b"plaza_http" in (await door.ask("GET", "/metrics")).raw
        assert socket_url(machine.realtime_port).encode() in (await door.ask("GET", "/docs/events")).raw
    for said in (f"http://localhost:{machine.api_port}/docs", f"http://localhost:{machine.realtime_port}", "var"):
        assert said in program.out
    assert program.err == ""


def socket_url(port: int) -> str:
    return f'io("http://localhost:{port}"'


async def test_the_events_page_names_the_port_that_the_gateway_chose(machine: Any) -> None:
    program = await machine.running(REALTIME_PORT=0)

    async def said() -> int:
        found = re.search(r"Socket\.IO\s+http://localhost:(\d+)", program.out)
        assert found is not None
        return int(found[1])

    port = await eventually(said)
    assert port != 0
    async with door_to(machine.url) as door:
        assert socket_url(port).encode() in (await door.ask("GET", "/docs/events")).raw


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_soon_and_leaves_nothing_running(machine: Any, how: signal.Signals) -> None:
    program = await machine.running()
    children = program.children()
    assert any("secantus" in " ".join(child.cmdline()) for child in children)
    _, writer = await asyncio.open_connection("127.0.0.1", machine.api_port)
    writer.write(b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")  # and never ends it
    async with door_to(machine.url) as door:
        await (await door.register("ada")).publish("hello")  # leaves an idle connection
        started = time.monotonic()
        ended = await program.signal(how, timeout_s=60)
    assert time.monotonic() - started < PATIENCE_S, "it does not wait for who never ends a request"
    assert (ended.code, ended.err) == (0, "")
    assert await gone(children)
    assert not (machine.var / "store.json").exists()
    writer.close()


async def test_a_signal_while_it_starts_leaves_nothing_running(machine: Any) -> None:
    for wait_s in (0.3, 0.6, 0.9, 1.2):
        program = machine.start()
        await asyncio.sleep(wait_s)
        children = program.children() if program.process.poll() is None else []
        await program.signal(signal.SIGTERM, timeout_s=60)
        assert await gone(children)
    await machine.running()


async def test_a_store_that_ended_while_it_made_its_files_begins_anew(machine: Any) -> None:
    data = machine.var / "store"
    data.mkdir(parents=True)
    (data / "unfinished").touch()
    (data / "WiredTiger").write_text("half of a")
    await machine.running()
    assert not (data / "unfinished").exists()
    (aside,) = machine.var.glob("store.unfinished-*")
    assert (aside / "WiredTiger").read_text() == "half of a"


async def test_what_people_wrote_is_there_after_a_restart_and_after_a_kill(machine: Any) -> None:
    program = await machine.running()
    async with door_to(machine.url) as door:
        ada = await door.register("ada")
        await ada.publish("before")
        assert (await program.signal(signal.SIGTERM)).code == 0
        program = await machine.running()
        assert texts(await ada.feed()) == ["before"]  # the session too
        await ada.publish("after")
        children = program.children()
        await program.kill()
        assert await gone(children)
        await machine.running()
        assert texts(await ada.feed()) == ["after", "before"]


async def test_what_an_older_release_wrote_is_found_from_the_next_start_on(machine: Any) -> None:
    program = await machine.running()
    async with door_to(machine.url) as door:
        ada = await door.register("ada")
        post = await ada.publish("Łódź")
        mongo = Mongo(noted_url(machine.var), "plaza")
        assert await mongo.update("posts", {"_id": post.id}, {"$set": {"words": ["łodz"]}, "$unset": {"rules": 1}})
        assert await mongo.update("post_terms", {"_id": post.id}, {"$set": {"words": ["łodz"]}})
        await mongo.delete("migrations", {})
        mongo.close()
        search = "/v1/search?q=lodz"
        assert (await ada.ask("GET", search)).body["items"] == []
        assert (await program.signal(signal.SIGTERM)).code == 0
        await machine.running()
        assert [each["id"] for each in (await ada.ask("GET", search)).body["items"]] == [post.id]


@pytest.mark.parametrize("which", ["API_PORT", "REALTIME_PORT"])
async def test_a_taken_port_is_one_clear_line(machine: Any, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await machine.start(**{which: port}).ended()
    one_line(ended, f"cannot listen on 127.0.0.1:{port}: ")
    assert not store_processes(machine.var)


async def test_a_folder_that_is_a_file_is_one_clear_line(machine: Any) -> None:
    machine.var.write_text("in the way")
    one_line(await machine.start().ended(), f"cannot write to {machine.var}: ")


async def test_a_disk_that_is_full_or_read_only_is_one_clear_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "full", 1) as full, small_disk(tmp_path / "read", 1) as read:
        (full / "filler").write_bytes(bytes(shutil.disk_usage(full).free))
        subprocess.run(["mount", "-o", "remount,ro", str(read)], check=True)
        said = await attempted("embedded", [([], {"PLAZA_VAR": str(each)}) for each in (full, read)], tmp_path)
        assert [each.name for each in full.iterdir() if each.stat().st_size] == ["filler"]
    assert said == [
        f"plaza: cannot write to {full}: No space left on device",
        f"plaza: cannot write to {read}: Read-only file system",
    ]


async def test_something_in_the_way_inside_the_folder_is_one_clear_line(tmp_path: Path) -> None:
    names = ("lock", "store.json", "store.log", "store.toml", "store", "jwt.pem", "pid.key")
    folders = [tmp_path / f"without {name}" for name in names]
    for name, folder in zip(names, folders, strict=True):
        folder.mkdir()
        if name == "store":
            (folder / name).write_text("in the way")
        else:
            (folder / name).mkdir()
    said = await attempted("embedded", [([], {"PLAZA_VAR": str(each)}) for each in folders], tmp_path)
    assert len(said) == len(names), said
    for line in said:
        assert line.startswith("plaza: "), said
    for folder in folders:
        assert not store_processes(folder)


async def test_a_second_start_on_the_same_folder_is_one_clear_line_and_harms_nobody(machine: Any) -> None:
    await machine.running()
    another = await machine.start(API_PORT=0, REALTIME_PORT=0).ended()
    one_line(another, f"{machine.var} is in use by another Plaza")
    async with door_to(machine.url) as door:
        await (await door.register("ada")).publish("still here")


async def test_a_wrong_setting_is_one_clear_line(machine: Any) -> None:
    """All wrong settings are in tests/system/test_processes.py."""
    one_line(await machine.start(API_PORT=70_000).ended(), "API_PORT is wrong")


async def test_a_store_that_outlived_its_system_is_ended_by_the_next_start(machine: Any, tmp_path: Path) -> None:
    """On macOS the kernel does not kill a child with its parent."""
    program = await machine.running()
    note = json.loads((machine.var / "store.json").read_bytes())
    child = psutil.Process(note["pid"])
    command, folder = child.cmdline(), child.cwd()
    await program.kill()
    assert await gone([child])
    leftover = psutil.Popen(command, cwd=folder, start_new_session=True)
    try:

        async def listens() -> None:
            assert any(each.status == psutil.CONN_LISTEN for each in leftover.net_connections())

        await eventually(listens)
        (machine.var / "store.json").write_text(json.dumps(note | {"pid": leftover.pid}))
        await machine.running()
        assert await gone([leftover])
    finally:
        if leftover.poll() is None:
            leftover.kill()
        leftover.wait()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}', '{"pid": null}', '{"pid": 99999999999}'])
async def test_a_note_of_another_store_ends_nobody(tmp_path: Path, note: str) -> None:
    (tmp_path / "store.json").write_text(note)
    store = Store(tmp_path)
    mongo = Mongo(await store.start(), "admin")
    try:
        await mongo.ping()
    finally:
        mongo.close()
        psutil.Process(store.pid).kill()  # SIGTERM takes two seconds now and then
        store.stop()


async def test_without_the_store_it_is_not_alone_for_long(machine: Any) -> None:
    """A store that died is started again, or the system ends and says so; the system never runs on without a store."""
    program = await machine.running()
    (store,) = [child for child in program.children() if "secantus" in " ".join(child.cmdline())]
    async with door_to(machine.url) as door:
        ada = await door.register("ada")
        await ada.publish("before")
        store.kill()

        async def served() -> None:
            answer = await ada.ask("POST", "/v1/posts", {"text": "after"}, key="k")
            assert answer.status == 201

        await eventually(served)
        assert texts(await ada.feed()) == ["after", "before"]
    assert (await program.signal(signal.SIGTERM, timeout_s=60)).code == 0
    assert not store_processes(machine.var)


def one_line(ended: Any, starts: str = "") -> None:
    assert ended.code == 1, ended
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith(f"plaza: {starts}"), ended.err


def store_processes(var: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(var / "store") in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def test_a_system_killed_at_any_moment_takes_its_store_along(machine: Any) -> None:
    for wait_s in (0.8, 1.2, 1.6, 2.0, 2.4):
        program = machine.start()
        await asyncio.sleep(wait_s)
        await program.kill()

        async def nobody() -> None:
            assert not store_processes(machine.var)

        await eventually(nobody)
