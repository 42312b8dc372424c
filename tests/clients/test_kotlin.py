"""The class of docs/clients/kotlin.md, compiled and run: it loses its connection, comes back and has missed nothing.

`make soak` (PLAZA_SOAK=1) runs it, on machines with Java and Maven: to fetch the compiler and compile takes 20 s.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from support.documents import ROOT, blocks
from support.eventually import eventually
from support.people import Door, Person
from support.ports import free_ports
from support.system import Embedded

KOTLIN = ROOT / "tests/clients/kotlin"
KEPT = Path(sys.prefix) / "tools/kotlin"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"


@pytest.fixture
def classes(tmp_path: Path) -> str:
    """Compile the guide and an app around it; return the class path of both."""
    if os.environ.get("PLAZA_SOAK") != "1":
        pytest.skip("make soak compiles Kotlin")
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip("Java or Maven is not installed")
    if not (KEPT / "pom.xml").exists() or (KEPT / "pom.xml").read_text() != (KOTLIN / "pom.xml").read_text():
        shutil.rmtree(KEPT, ignore_errors=True)
        words = ["mvn", "-q", "-B", "-f", KOTLIN / "pom.xml", COPY, f"-DoutputDirectory={KEPT}"]
        subprocess.run(words, check=True)
        shutil.copy(KOTLIN / "pom.xml", KEPT)
    (tmp_path / "Stream.kt").write_text(blocks("docs/clients/kotlin.md")[0].text)
    libraries = os.pathsep.join(map(str, sorted(KEPT.glob("*.jar"))))
    sources = [tmp_path / "Stream.kt", KOTLIN / "Main.kt"]
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", libraries, COMPILER, "-no-stdlib", "-no-reflect", "-Werror"]
    subprocess.run([*java, "-cp", libraries, "-d", tmp_path / "classes", *sources], check=True)
    return f"{tmp_path / 'classes'}{os.pathsep}{libraries}"


class App:
    """The app, and every line that it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def read(self, *expected: str) -> None:
        """Read until each of these beginnings was the beginning of one more line."""
        missing = list(expected)
        async with asyncio.timeout(60):
            while missing:
                assert self._process.stdout
                line = (await self._process.stdout.readline()).decode().strip()
                assert line, self.lines
                self.lines.append(line)
                if known := [each for each in missing if line.startswith(each)]:
                    missing.remove(known[0])

    def say(self, word: str) -> None:
        """Have something happen to its connection."""
        assert self._process.stdin
        self._process.stdin.write(f"{word}\n".encode())

    async def close(self) -> None:
        """End the app."""
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()


async def test_an_app_with_the_class_of_the_guide_misses_nothing_and_hears_nothing_twice(
    classes: str, tmp_path: Path
) -> None:
    api_port, realtime_port = free_ports(2)
    async with (
        Embedded(tmp_path / "var", api_port=api_port, realtime_port=realtime_port) as system,
        aiohttp.ClientSession() as http,
    ):
        door = Door(http, system.api_url)
        ada, bob = await door.register("ada"), await door.register("bob")
        words = ("java", "-cp", classes, "MainKt", system.api_url, system.realtime_url, ada.tokens.access_token)
        app = App(await asyncio.create_subprocess_exec(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        await app.read("connected", "fetched 0")
        before = (await ada.ask("GET", "/v1/notifications")).body["offset"]
        unread = 0
        for away in (False, True, True, False, True):
            if away:
                app.say("drop")
                await app.read("dropped")
            await bob.like(await ada.publish("hello"))
            await bob.comment(await ada.publish("hello again"), "hello, ada")
            unread += 2
            await eventually(partial(_unread, ada, unread))
            if away:
                app.say("back")
            await app.read(*["connected"] * away, "notification", "notification")
        app.say("offset")
        await app.read("offset")
        missed = (await ada.ask("GET", f"/v1/sync?after={before}")).body
        heard = [line for line in app.lines if line.startswith("notification")]
        assert heard == [f"{each['event']} {each['data']['id']}" for each in missed["events"]]
        assert app.lines[-1] == f"offset {missed['offset']}"
        assert app.lines.count("fetched 0") == 1
        await app.close()


async def _unread(person: Person, count: int) -> None:
    assert (await person.ask("GET", "/v1/notifications/unread-count")).body["unread"] == count
