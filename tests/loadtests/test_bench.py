"""Benchmarks write their own blocks of the page, and nothing else of it."""

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.documents import blocks

from loadtests import bench, charts, load

ROOT = Path(__file__).parents[2]
SOAK = os.environ.get("PLAZA_SOAK") == "1"


def test_every_benchmark_has_its_block_and_its_file():
    text = bench.README.read_text()
    assert sorted(re.findall(r"<!-- measured: (.*) -->", text)) == sorted(bench.BENCHMARKS)
    for name, benchmark in bench.BENCHMARKS.items():
        assert "| written |" in bench.rewritten(text, name, "| written |")
        assert (ROOT / benchmark.command.split()[1]).exists()


def test_a_benchmark_rewrites_its_block_alone():
    other = "<!-- measured: viral -->\nas it was\n<!-- until here -->\n"
    text = f"prose\n<!-- measured: rest -->\nold\n<!-- until here -->\nmore\n{other}"
    assert bench.rewritten(text, "rest", "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="no block for login"):
        bench.rewritten(text, "login", "new")


@pytest.mark.parametrize("name", bench.BENCHMARKS if SOAK else ["streams"])
def test_a_quick_one_prints_its_block_and_writes_nothing(name):
    """All of them only in a soak: they take minutes."""
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
    assert f"`make bench ONLY={name}`" in done.stdout
    assert bench.README.read_bytes() == before


def test_every_command_of_the_page_is_understood():
    """They are carried out elsewhere, with fewer people."""
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
    monkeypatch.setattr(sys, "argv", ["bench.py"])
    assert bench.main() == 1
    assert "failed: login" in capsys.readouterr().err
    assert page.read_text().count("old") == 1
    assert "| by compare-and-set, as it is done |" in page.read_text()


def test_charts_are_pictures_with_something_in_them(tmp_path):
    charts.lines(tmp_path / "lines.png", "over time", "ms", {"p50": [(1, 2.0), (2, None), (3, 9.5)]}, {2: "killed"})
    charts.bars(tmp_path / "bars.png", "beside", "ms", {"ours": {"p50": 1.0, "p99": 12.0}, "theirs": {"p50": 5.0}})
    for name in ("lines", "bars"):
        with Image.open(tmp_path / f"{name}.png") as chart:
            assert chart.size == (900, 360)
            assert len(chart.getcolors()) > 8  # more than paper


@pytest.mark.parametrize(("value", "step"), [(0, 1), (0.3, 0.5), (1, 1), (7, 10), (23, 50), (150, 200)])
def test_scales_have_round_numbers(value, step):
    assert charts.nice(value) == pytest.approx(step)
