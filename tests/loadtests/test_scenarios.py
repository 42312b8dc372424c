"""Each scenario, for some seconds: every effect is delivered once, and a loss or duplicate fails the run."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
from PIL import Image
from support.eventually import eventually
from support.ports import free_ports

ROOT = Path(__file__).parents[2]


NOT_ALLOWED = [{"host": "http://stranger.invalid"}, {"realtime": "http://stranger.invalid"}]
AT_ONCE = 3  # loads: a slow machine that starts more of them answers a registration later than its deadline
SCENARIOS = {"browse": "read", "post": "liked", "viral": "liked", "celebrity": "posted", "soak": "renewed"}


@pytest.fixture(scope="module")
def ran(load):
    """Run independent loads, a few at a time: every scenario in which no gateway dies, and every fault."""
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def begin(*words, **more):
            return pool.submit(lambda: load(*words, **more).ended())

        faults = {"browse": "unheard registrations"}
        loads = {
            name: begin(name, "--followers", "600", until=until, fault=faults.get(name, ""))
            for name, until in SCENARIOS.items()
        }
        loads["tunnels"] = begin("post", until="recovered", fault="tunnels")
        loads["lost"] = begin("viral", "--settle", "3", until="wrong", fault="lost")
        loads["repeated"] = begin("viral", until="wrong", fault="repeated")
        yield loads
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_delivers_all_that_was_acknowledged(ran, name):
    ended = ran[name].result()
    assert ended.code == 0, ended.printed
    assert ended.result["scenario"] == name
    assert ended.result["users"] == 4
    assert (ended.result["lost"], ended.result["duplicated"], ended.result["unanswered"]) == (0, 0, 0), ended.printed
    assert ended.result["timeline"]


def test_what_happens_in_a_tunnel_is_recovered_and_not_lost(ran):
    ended = ran["tunnels"].result()
    assert ended.code == 0, ended.printed
    assert (ended.result["lost"], ended.result["duplicated"]) == (0, 0)
    assert sum(each["recovered"] for each in ended.result["deliveries"].values()) >= 3


def test_a_push_that_never_comes_fails_the_run(ran):
    ended = ran["lost"].result()
    assert ended.code == 1, ended.printed
    assert ended.result["lost"] > 0
    assert "lost" in ended.printed


def test_pushes_that_come_again_or_count_too_much_fail_the_run(ran):
    """Likes are pushed twice, under a new number, and then counted one too many."""
    ended = ran["repeated"].result()
    assert ended.code == 1, ended.printed
    assert ended.result["lost"] == 0
    assert ended.result["duplicated"] >= 3
    assert "came twice" in ended.printed
    assert f"{ended.result['duplicated']} had an effect twice" in ended.printed


def test_sockets_of_a_gateway_that_dies_come_back_and_miss_nothing(load):
    ran = load("reconnect-storm", until="back").ended()
    assert ran.code == 0, ran.printed
    (killed,) = ran.result["gateways_killed"]
    assert killed["name"] in ("realtime-1", "realtime-2")
    back = ran.result["came_back"]
    assert back["sockets"] >= 2  # of four, on the gateway with the most
    assert back["stream_went_on"] == back["sockets"]


def test_a_load_writes_a_report_json_and_charts(system, tmp_path):
    asked = ["viral", "--users", "4", "--duration", "4s", "--host", system.url]
    done = subprocess.run(
        [sys.executable, "loadtests/load.py", *asked, "--results", tmp_path / "results"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost: 0   duplicated: 0" in done.stdout
    assert r"like \u2192 author" in (tmp_path / "results/report.html").read_text()
    assert json.loads((tmp_path / "results/result.json").read_text())["timeline"]
    for name in ("throughput", "people", "latency"):
        with Image.open(tmp_path / f"results/{name}.png") as chart:
            assert chart.size == (900, 360)
            assert len(chart.getcolors()) > 8  # more than an empty frame


def test_a_scenario_that_needs_a_system_of_its_own_says_so(system, tmp_path):
    """Only the address of the system is known."""
    begun = [
        subprocess.Popen(
            [
                sys.executable,
                "loadtests/load.py",
                name,
                "--users",
                "2",
                "--host",
                system.url,
                "--results",
                tmp_path / name,
            ],
            cwd=ROOT,
            env={**os.environ, "PLAZA_VAR": str(tmp_path), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("reconnect-storm", "celebrity")
    ]
    for process, says in zip(begun, ("no cluster runs in", "no store runs in"), strict=True):
        printed, _ = process.communicate(timeout=200)
        assert process.returncode == 1
        assert says in printed


async def test_locusts_own_page_runs_a_scenario_and_refuses_other_hosts(system, tmp_path):
    (port,) = free_ports(1)
    page = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "-H", system.url]
    command += ["--web-port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def fetch(path, **form):
        data = urllib.parse.urlencode(form).encode() if form else None
        with urllib.request.urlopen(page + path, data, timeout=200) as answer:
            return answer.read().decode()

    def begin(**more):
        return fetch("/swarm", user_count="2", spawn_rate="2", **more)

    async def served():
        try:
            assert "reconnect-storm" in fetch("/")
        except OSError as error:
            raise AssertionError(error) from None

    async def liked():
        stats = json.loads(fetch("/stats/requests"))
        assert any(each["name"] == "like → author" and each["num_requests"] for each in stats["stats"]), stats["stats"]

    async def nobody():
        assert json.loads(fetch("/stats/requests"))["user_count"] == 0

    async def refused(times):
        assert (tmp_path / "log").read_text().count("stranger.invalid is not this machine") >= times

    try:
        await eventually(served)
        addresses = {each.laddr.ip for each in psutil.Process(process.pid).net_connections("tcp")}
        assert addresses == {"127.0.0.1"}
        begin(scenario="viral", host=system.url)
        await eventually(liked)
        fetch("/stop", now="1")
        await eventually(nobody)
        for times, form in enumerate(NOT_ALLOWED, start=1):
            begin(scenario="viral", **({"host": system.url, "allow": "stranger.invalid"} | form))
            await eventually(partial(refused, times))
        await nobody()
    finally:
        process.kill()
        process.wait()


def test_other_hosts_are_refused_before_anything_starts():
    for command in (["loadtests/load.py", "post"], ["-m", "locust", "-f", "loadtests/locustfile.py", "--headless"]):
        done = subprocess.run(
            [sys.executable, *command, "--host", "http://192.0.2.1:8080"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 1
        assert "192.0.2.1 is not this machine; if you may load it, allow it: ALLOW=192.0.2.1" in done.stderr


def test_a_load_is_one_process():
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless"]
    done = subprocess.run(
        [*command, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1
    assert "one process" in done.stderr
