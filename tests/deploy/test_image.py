"""The image: the promises of its Dockerfile; the files it copies are enough to run everything."""

import ast
import re
import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.composed import SERVICES
from support.image import ROOT, build, context, environment, lineage, stages
from support.people import door_to
from support.pictures import picture, upload
from support.ports import free_ports
from support.processes import Ended, Program

from social.contracts.media import MediaRef

PROCESSES = {"api": 8080, "realtime": 8081, "workers": 8082}
LOCKED = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.M)


def locked(name: str) -> dict[str, str]:
    return dict(LOCKED.findall((ROOT / f"requirements/{name}.txt").read_text()))


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_stands_on_one_base_of_which_each_bit_is_known() -> None:
    every = stages()
    bases = {each.base for each in every.values() if each.base not in every}
    (base,) = bases
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    for name in every:
        for rest in (rest for each in lineage(name) for rest in each.all("COPY")):
            if found := re.search(r"--from=(\S+)", rest):
                assert found[1] in every


@pytest.mark.parametrize("name", [*PROCESSES, "operator"])
def test_a_process_is_nobody_and_gets_its_signals_itself(name: str) -> None:
    line = lineage(name)
    (user,) = [rest for each in line for rest in each.all("USER")]
    assert user == "10001:10001"
    assert any("--uid 10001 " in run for each in line for run in each.all("RUN"))
    words = line[0].words("ENTRYPOINT")  # exec form: a shell would keep SIGTERM to itself
    assert words[:2] == ["python", "-m"]
    assert (ROOT / words[2] / "__main__.py").exists()


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_asked_for_its_health_where_it_listens(name: str) -> None:
    (stage, *_) = lineage(name)
    (health,) = stage.all("HEALTHCHECK")
    assert health.endswith(
        f'CMD ["python", "-m", "social.infra.process.healthy", "{PROCESSES[name]}", "{name.upper()}_PORT"]'
    )
    assert stage.all("EXPOSE") == [str(PROCESSES[name])]
    assert f"{name.upper()}_PORT=" + str(PROCESSES[name]) in (ROOT / name / ".env.example").read_text()


def test_nothing_is_compiled_and_every_package_is_known_by_its_hash() -> None:
    assert not re.search(r"\b(gcc|g\+\+|build-essential|clang)\b", (ROOT / "Dockerfile").read_text())
    env = environment("packages")
    assert (env["PIP_REQUIRE_HASHES"], env["PIP_ONLY_BINARY"]) == ("1", ":all:")
    tested = locked("dev")
    assert {name: version for name, version in locked("image").items() if tested.get(name) != version} == {}
    assert not {"secantusdb", "fakeredis", "lupa", "pytest", "locust"} & set(locked("image"))


OPTIONAL = {"aiobotocore", "botocore", "opentelemetry"}  # of the extras s3 and traces


@pytest.mark.parametrize(("lock", "more", "without"), [("image", set(), set()), ("run", {"embedded"}, OPTIONAL)])
def test_every_package_the_code_imports_is_in_the_image(lock: str, more: set[str], without: set[str]) -> None:
    distributions, have = packages_distributions(), locked(lock)
    ours = {"api", "plaza_client", "realtime", "social", "workers"} | more
    for process in ours:
        for file in (ROOT / process).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                for top in {name.partition(".")[0] for name in names} - ours - without - set(sys.stdlib_module_names):
                    known = {re.sub(r"[-_.]+", "-", each).lower() for each in distributions[top]}
                    assert known & set(have), f"{file.relative_to(ROOT)} imports {top}"


def test_no_secret_no_data_and_no_test_gets_to_the_builder() -> None:
    sent = {str(each) for each in context()}
    assert {"LICENSE", "requirements/image.txt", "social/__main__.py", "api/app.py"} <= sent
    assert {each for each in sent if each.startswith("deploy/")} == {"deploy/demo.sh"}
    assert all(each.startswith("clients/python/plaza_client/") for each in sent if each.startswith("clients/"))
    heads = {"LICENSE", "requirements", "api", "clients", "realtime", "social", "workers", "embedded", "deploy", "web"}
    assert {each.partition("/")[0] for each in sent} == heads
    assert not [each for each in sent if ".env" in each or "__pycache__" in each]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return the folder /app of the image."""
    folder = tmp_path / "app"
    build(folder)
    return folder


def files(folder: Path) -> set[Path]:
    return {each for each in folder.rglob("*") if each.is_file()}


async def test_what_is_in_the_image_is_all_that_its_processes_need(
    tree: Path, tmp_path: Path, mongo_url: str, bare_database: str, redis_url: str, amqp_url: str
) -> None:
    ports = dict(zip(PROCESSES, free_ports(3), strict=True))
    before, keys, checks = files(tree), tmp_path / "keys", tmp_path / "checks"
    settings = environment("api") | {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": bare_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
        "JWT_PRIVATE_KEY_FILE": keys / "jwt.pem",
        "REFRESH_KEY_FILE": keys / "refresh.key",
        "JWT_JWKS": checks / "jwks.json",
        "PID_KEY_FILE": checks / "pid.key",
        "MEDIA_URL": f"file:{tmp_path / 'media'}",
        "MAILER_URL": f"file:{tmp_path / 'mail'}",
        "DRAIN_S": 0,
        "PYTHONDONTWRITEBYTECODE": 1,  # its folder must stay as it is
        **{f"{name.upper()}_PORT": port for name, port in ports.items()},
    }

    async def ended(module: str, *words: str) -> Ended:
        return await Program(module, *words, folder=tmp_path, cwd=tree, **settings).start().ended()

    assert (await ended("embedded")).code != 0, "this folder is not the only one on the path"
    for command in (SERVICES["keys"]["command"], SERVICES["migrate"]["command"], stages()["operator"].words("CMD")):
        done = await ended("social", *(word.replace("/data/", f"{tmp_path}/") for word in command))
        assert done.code == 0, done
    programs = {name: Program(name, folder=tmp_path, cwd=tree, **settings).start() for name in PROCESSES}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    try:
        for name, program in programs.items():
            await program.answering(f"{urls[name]}/readyz")
            healthy = await ended("social.infra.process.healthy", str(PROCESSES[name]), f"{name.upper()}_PORT")
            assert healthy == (0, "", "")
        async with door_to(urls["api"]) as door:
            ada = await door.register("ada")
            (await upload(ada, picture("JPEG"))).ok(MediaRef, 201)
            assert b'id="app"' in (await door.ask("GET", "/")).raw
        demo = await ended(
            "social", "demo", "--users", "4", "--seconds", "1", "--api", urls["api"], "--realtime", urls["realtime"]
        )
        assert demo.code == 0, demo
        for name, program in programs.items():
            stopped = await program.signal(signal.SIGTERM)
            assert (stopped.code, stopped.err) == (0, ""), name
            done = await ended("social.infra.process.healthy", str(ports[name]))
            assert (done.code, done.err) == (1, f"port {ports[name]}: [Errno 111] Connection refused\n")
    finally:
        for program in programs.values():
            await program.kill()
    assert files(tree) == before, "its file system cannot be written to"
