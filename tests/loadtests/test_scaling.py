"""docs/scaling.md has the sizes that its constants give, and a larger size never needs less."""

import pytest

from loadtests import bench, scaling
from loadtests.scaling import ASSUMED, MEASURED, SIZES, Size


def test_the_page_has_the_tables_that_its_constants_give():
    page = scaling.PAGE.read_text()
    assert scaling.rewritten(page) == page, "run python loadtests/scaling.py"
    assert scaling.CHART.exists()
    assert f"images/{scaling.CHART.name}" in page


def test_what_was_measured_names_a_benchmark_that_there_is():
    names = [each.source.partition("ONLY=")[2] for each in MEASURED.values() if "make bench" in each.source]
    assert set(names) <= set(bench.BENCHMARKS)
    assert not any("make bench" in each.source for each in ASSUMED.values())


@pytest.mark.parametrize("part", ["gateways", "apis", "workers", "store_cores", "brokers", "redises", "stored_gb"])
def test_ten_times_the_sockets_need_more_of_each_part(part):
    sizes = [getattr(Size(sockets), part) for sockets in SIZES.values()]
    assert sizes == sorted(sizes)
    assert 9 * sizes[-2] <= sizes[-1] <= 10 * sizes[-2]


def test_gateways_hold_their_sockets_also_where_one_of_four_died():
    size = Size(10_000_000)
    assert size.sockets <= size.gateways * MEASURED["descriptors"].value * ASSUMED["spare"].value


def test_a_chart_is_drawn(tmp_path):
    scaling.chart(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
