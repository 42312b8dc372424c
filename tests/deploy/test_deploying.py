"""The table of docs/deploying.md: every way has all its cells, and figures are those of the files they are about."""

import re

import pytest
from support.composed import ROOT, started

PAGE = (ROOT / "docs" / "deploying.md").read_text()
NOTES = "deploy/helm/plaza/templates/NOTES.txt"
HEAD, ROWS = "| | what you get | what it costs | upgrade | back up | roll back |", 7


def rows() -> list[list[str]]:
    table = PAGE.partition(HEAD + "\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[1:]]


def test_every_way_to_run_it_says_what_it_gives_and_costs_and_how_to_change_it() -> None:
    assert len(rows()) == ROWS
    for row in rows():
        assert len(row) == 6, row
        assert all(row), row


@pytest.mark.parametrize("page", ["docs/runbook.md", "docs/deploying.md", "deploy/aws/README.md", NOTES])
def test_the_last_step_of_a_release_is_where_releases_are_described(page: str) -> None:
    assert "migrate --last" in (ROOT / page).read_text()


def test_the_containers_take_the_memory_that_the_page_says() -> None:
    limits = [each["deploy"]["resources"]["limits"]["memory"] for each in started("whole").values()]
    megabytes = sum(int(limit[:-1]) * (1_024 if limit.endswith("G") else 1) for limit in limits)
    assert f"a machine with {-(-megabytes // 1_024)} GB, which is the sum of all limits" in PAGE


def test_a_month_on_aws_costs_about_what_its_page_counts() -> None:
    (together,) = re.findall(r"^\| \*\*together\*\* \|(.*)\|$", (ROOT / "deploy/aws/costs.md").read_text(), re.M)
    (said,) = re.findall(r"about \$([\d,]+), \$([\d,]+) or \$([\d,]+) a month", PAGE)
    for counted, rounded in zip(together.split("|"), said, strict=True):
        assert dollars(rounded) == pytest.approx(dollars(counted), rel=0.1)


def dollars(text: str) -> int:
    return int(re.sub(r"\D", "", text))
