"""The generated documents agree with the code."""

import pytest

from devtools.generate.dashboards import dashboards
from devtools.generate.documents import AWS, DASHBOARDS, DOCS, ROOT, configuration, deployment, documents, pages, text
from devtools.generate.helm.chart import CHART, chart
from devtools.generate.nginx import SOURCE
from devtools.generate.settings import examples


@pytest.mark.parametrize("name", documents())
def test_a_document_under_docs_is_what_the_code_says(name):
    written = (DOCS / name).read_bytes()
    assert written == text(documents()[name]), f"docs/{name} has drifted: run `make docs`"


@pytest.mark.parametrize("name", dashboards())
def test_a_dashboard_is_what_the_code_says(name):
    written = (DASHBOARDS / name).read_bytes()
    assert written == text(dashboards()[name]), f"deploy/observability/dashboards/{name} has drifted: run `make docs`"


@pytest.mark.parametrize("name", pages())
def test_a_page_under_docs_is_what_the_code_says(name):
    assert (DOCS / name).read_text() == pages()[name], f"docs/{name} has drifted: run `make docs`"


@pytest.mark.parametrize("name", configuration())
def test_the_generated_part_of_nginx_is_what_the_code_says(name):
    assert (SOURCE / name).read_text() == configuration()[name], f"nginx/{name} has drifted: run `make docs`"


@pytest.mark.parametrize("path", examples(), ids=str)
def test_an_example_of_settings_has_their_names_and_defaults(path):
    assert (ROOT / path).read_text() == examples()[path], f"{path} has drifted: run `make docs`"


@pytest.mark.parametrize("name", deployment())
def test_the_generated_part_of_the_deployment_is_what_the_code_says(name):
    assert (AWS / name).read_text() == deployment()[name], f"deploy/aws/{name} has drifted: run `make docs`"


OF_THE_CHART = chart()


@pytest.mark.parametrize("name", OF_THE_CHART)
def test_the_generated_part_of_the_chart_is_what_the_code_says(name):
    assert (CHART / name).read_text() == OF_THE_CHART[name], f"deploy/helm/plaza/{name} has drifted: run `make docs`"


def test_the_chart_has_no_copy_of_what_is_gone():
    there = {str(path.relative_to(CHART)) for path in (CHART / "files").rglob("*") if path.is_file()}
    assert there <= OF_THE_CHART.keys()
