"""Benchmarks write their own blocks of the page, and nothing else of it."""

import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pymongo
import pytest
from PIL import Image
from support.documents import blocks
from support.eventually import eventually

from loadtests import bench, charts, load

ROOT = Path(__file__).parents[2]
SOAK = os.environ.get("PLAZA_SOAK") == "1"


def test_every_benchmark_has_its_block_and_its_file():
    text = bench.README.read_text()
    named = re.findall(r"<!-- measured: (.*) -->", text)
    assert sorted(each for each in named if " over " not in each) == sorted(bench.BENCHMARKS)
    assert {each.partition(" over ")[0] for each in named} == set(bench.BENCHMARKS)
    for name, benchmark in bench.BENCHMARKS.items():
        assert "| written |" in bench.rewritten(text, name, "| written |")
        assert (ROOT / benchmark.command.split()[1]).exists()


def test_a_short_table_has_its_block_on_the_first_page():
    text = bench.FIRST_PAGE.read_text()
    in_short = [name for name, each in bench.BENCHMARKS.items() if each.in_short is not None]
    assert re.findall(r"<!-- measured: (.*) -->", text) == in_short
    for name in in_short:
        assert "| written |" in bench.rewritten(text, name, "| written |")


def test_a_benchmark_writes_both_of_its_blocks_from_the_same_figures(monkeypatch, tmp_path):
    pages = [tmp_path / "loads.md", tmp_path / "first.md"]
    for page in pages:
        page.write_text("<!-- measured: streams -->\nold\n<!-- until here -->\n")
    short = dataclasses.replace(bench.BENCHMARKS["streams"], in_short=lambda figures: [["only"], [figures["n"]]])
    monkeypatch.setattr(bench, "BENCHMARKS", {"streams": short})
    monkeypatch.setattr(bench, "README", pages[0])
    monkeypatch.setattr(bench, "FIRST_PAGE", pages[1])
    monkeypatch.setattr(bench, "FIGURES", tmp_path / "figures")
    figures = {"compare_and_set_ms": 1.0, "pipeline_ms": 2.0, "ratio": 2.0, "n": 7}
    monkeypatch.setattr(bench, "run", lambda *_: figures)
    monkeypatch.setattr(sys, "argv", ["bench.py"])
    monkeypatch.delenv("STORE", raising=False)
    assert bench.main() == 0
    assert "| by compare-and-set, as it is done | 1.0 ms |" in pages[0].read_text()
    assert pages[1].read_text() == "<!-- measured: streams -->\n| only |\n| --- |\n| 7 |\n<!-- until here -->\n"


def test_every_program_among_the_benchmarks_is_one_unless_another_starts_it():
    texts = {path.name: path.read_text() for path in (ROOT / "loadtests/benchmarks").glob("*.py")}
    programs = {name for name, text in texts.items() if '__name__ == "__main__"' in text}
    started = {name for name in programs for other, text in texts.items() if other != name and f'"{name}"' in text}
    assert {"fanout_server.py", "gateways_client.py"} <= started
    files = [Path(benchmark.command.split()[1]) for benchmark in bench.BENCHMARKS.values()]
    assert sorted(programs - started) == sorted(file.name for file in files if file.parent.name == "benchmarks")


def test_a_benchmark_rewrites_its_block_alone():
    other = "<!-- measured: viral -->\nas it was\n<!-- until here -->\n"
    text = f"prose\n<!-- measured: rest -->\nold\n<!-- until here -->\nmore\n{other}"
    assert bench.rewritten(text, "rest", "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="no block for login"):
        bench.rewritten(text, "login", "new")


@pytest.mark.parametrize("name", bench.BENCHMARKS if SOAK else ["streams"])
def test_a_quick_one_prints_its_block_and_writes_nothing(name):
    """All benchmarks run only in a soak: they take minutes."""
    before = bench.README.read_bytes()
    done = subprocess.run(
        [sys.executable, "loadtests/bench.py", name, "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"`make bench ONLY={name}" in done.stdout
    assert bench.README.read_bytes() == before


def test_figures_over_another_store_have_a_block_of_their_own_or_are_printed(monkeypatch, tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text("".join(f"<!-- measured: {name} -->\nold\n<!-- until here -->\n" for name in ("rest", "login")))
    page.write_text(page.read_text() + "<!-- measured: rest over mongodb -->\nold\n<!-- until here -->\n")
    monkeypatch.setattr(bench, "README", page)
    monkeypatch.setattr(bench, "run", lambda name, quick, folder: {})
    monkeypatch.setattr(bench, "pictures", lambda *_: [])
    rows = {"rest": [["rest"], ["new"]], "login": [["login"], ["new"]]}
    kept = {name: bench.Benchmark(bench.script(name), lambda _, name=name: rows[name]) for name in rows}
    monkeypatch.setattr(bench, "BENCHMARKS", kept)
    monkeypatch.setattr(sys, "argv", ["bench.py"])
    monkeypatch.delenv("MONGO_URL", raising=False)
    monkeypatch.setenv("STORE", "mongodb://somebody:secret@127.0.0.1:1/")
    assert bench.main() == 0
    usual, own = page.read_text().split("<!-- measured: rest over mongodb -->")
    assert usual.count("old") == 2
    assert "| rest |" in own
    assert "`make bench ONLY=rest STORE=mongodb://…`" in own
    printed = capsys.readouterr().out
    assert "| login |" in printed
    assert "secret" not in printed + own


def test_a_benchmark_over_a_mongodb_leaves_no_database_there(mongo_url):
    done = subprocess.run(
        [sys.executable, "loadtests/bench.py", "streams", "--quick"],
        cwd=ROOT,
        env={**os.environ, "STORE": mongo_url},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "`STORE=mongodb://… python loadtests/benchmarks/streams.py`" in done.stdout
    with pymongo.MongoClient(mongo_url) as client:
        assert not [name for name in client.list_database_names() if name.startswith("measured_")]


def test_a_wrong_store_is_said_before_anything_is_measured():
    for script in ("bench.py", "load.py"):
        words = ["rest"] if script == "bench.py" else ["browse"]
        done = subprocess.run(
            [sys.executable, f"loadtests/{script}", *words],
            cwd=ROOT,
            env={**os.environ, "STORE": "mongod"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 1
        assert "STORE is wrong" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_command_of_the_page_is_understood():
    """The commands are carried out elsewhere, with fewer people."""
    lines = [
        line.partition("#")[0].strip() for each in blocks("loadtests/README.md") for line in each.text.splitlines()
    ]
    for line in filter(None, lines):
        program, *words = shlex.split(line)
        if program == "make":
            shown = subprocess.run(
                ["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout.splitlines()
            (command,) = [each for each in shown if "loadtests/" in each]
            _, script, *words = shlex.split(command)
            parsers = {"loadtests/load.py": load.arguments(), "loadtests/bench.py": bench.arguments()}
            parsers[script].parse_args(words)
        else:
            assert program == ".venv/bin/locust"
            assert words[:2] == ["-f", "loadtests/locustfile.py"]


def test_one_that_fails_is_named_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    page = tmp_path / "README.md"
    page.write_text("".join(f"<!-- measured: {name} -->\nold\n<!-- until here -->\n" for name in ("login", "streams")))
    streams = bench.BENCHMARKS["streams"]
    short = dataclasses.replace(streams, command=f"{streams.command} --quick")
    missing = dataclasses.replace(streams, command="python loadtests/benchmarks/missing.py")
    monkeypatch.setattr(bench, "BENCHMARKS", {"login": missing, "streams": short})
    monkeypatch.setattr(bench, "README", page)
    monkeypatch.setattr(bench, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(bench, "commit", lambda: "abcdef0+")
    monkeypatch.delenv("STORE", raising=False)
    monkeypatch.setattr(sys, "argv", ["bench.py"])
    assert bench.main() == 1
    printed = capsys.readouterr().err
    assert "warning: code was changed since the last commit" in printed
    assert "failed: login" in printed
    assert page.read_text().count("old") == 1
    assert "| by compare-and-set, as it is done |" in page.read_text()


async def test_a_benchmark_that_is_interrupted_has_the_time_to_stop_what_it_started(tmp_path):
    (tmp_path / "benchmark.py").write_text(
        "import pathlib, time\n"
        "here = pathlib.Path(__file__).parent\n"
        "try:\n    (here / 'begun').touch()\n    time.sleep(60)\n"
        "finally:\n    time.sleep(0.6)\n    (here / 'stopped').touch()\n"
    )
    code = "import signal, sys; from loadtests import bench\n"
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell in the background ignores
    code += "bench.output([sys.executable, sys.argv[1]])"
    begun = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "benchmark.py")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    async def runs():
        assert (tmp_path / "begun").exists()

    try:
        await eventually(runs)
        os.killpg(begun.pid, signal.SIGINT)  # as a terminal does
        _, printed = begun.communicate(timeout=200)
    finally:
        begun.kill()
    assert "KeyboardInterrupt" in printed
    assert begun.returncode == -signal.SIGINT
    assert (tmp_path / "stopped").exists()


def test_charts_are_pictures_with_something_in_them(tmp_path):
    charts.lines(tmp_path / "lines.png", "over time", "ms", {"p50": [(1, 2.0), (2, None), (3, 9.5)]}, {2: "killed"})
    charts.bars(tmp_path / "bars.png", "beside", "ms", {"ours": {"p50": 1.0, "p99": 12.0}, "theirs": {"p50": 5.0}})
    for name in ("lines", "bars"):
        with Image.open(tmp_path / f"{name}.png") as chart:
            assert chart.size == (900, 360)
            assert len(chart.getcolors()) > 8  # more than blank paper


@pytest.mark.parametrize(("value", "step"), [(0, 1), (0.3, 0.5), (1, 1), (7, 10), (23, 50), (150, 200)])
def test_scales_have_round_numbers(value, step):
    assert charts.nice(value) == pytest.approx(step)
