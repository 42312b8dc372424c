"""The generated files of the chart: copies of what compose runs, the schema of its values, and their table."""

import re
from pathlib import Path

import orjson

from devtools.generate.helm import values
from devtools.generate.helm.schema import schema
from devtools.generate.nginx import MICROSERVICES_CONF, SOURCE, TOPOLOGY_CONF, WHOLE_DOCUMENT

DEPLOY = Path(__file__).parents[3] / "deploy"
CHART = DEPLOY / "helm" / "plaza"

# Where the chart has what it needs of other folders: a chart can read no file outside of itself.
COPIES = {
    "files/rules.yml": DEPLOY / "observability" / "rules" / "plaza.yml",
    "files/trial/mongo-start.sh": DEPLOY / "mongo" / "start.sh",
    "files/trial/initiate.js": DEPLOY / "mongo" / "initiate.js",
    "files/trial/redis-start.sh": DEPLOY / "redis" / "start.sh",
    "files/trial/redis.conf": DEPLOY / "redis" / "redis.conf",
    "files/trial/rabbitmq.conf": DEPLOY / "rabbitmq" / "rabbitmq.conf",
    "files/trial/enabled_plugins": DEPLOY / "rabbitmq" / "enabled_plugins",
}
BEGIN, END = "<!-- The values: written by `make docs` from values.yaml. -->\n", "<!-- The end of the values. -->\n"


def chart() -> dict[str, str]:
    """Return the generated files of the chart, content by path; those that they are made from must be up to date."""
    topologies = (TOPOLOGY_CONF, MICROSERVICES_CONF)  # the chart renders its own
    copies = COPIES | {
        **{f"files/nginx/{path.name}": path for path in sorted(SOURCE.glob("*.conf")) if path.name not in topologies},
        **{f"files/dashboards/{path.name}": path for path in sorted(_dashboards().glob("*.json"))},
    }
    documents = orjson.dumps(orjson.loads(WHOLE_DOCUMENT.read_bytes())).decode()
    return {path: source.read_text() for path, source in copies.items()} | {
        "files/openapi.json": documents,
        "values.schema.json": orjson.dumps(schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode(),
        "README.md": readme((CHART / "README.md").read_text()),
    }


def readme(before: str) -> str:
    """Return the README with the tables of the values between its two marks."""
    tables = values.tables((CHART / values.NAME).read_text())
    return re.sub(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", lambda _: tables, before, flags=re.DOTALL)


def _dashboards() -> Path:
    return DEPLOY / "observability" / "dashboards"
