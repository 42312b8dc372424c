"""The generated files of docs/, nginx/ and deploy/, as their content; a test holds the files to it."""

from pathlib import Path
from typing import Any

import orjson

from api.app import ALL
from api.docs import event_pages
from api.docs.asyncapi import document as asyncapi
from api.docs.openapi import document as openapi
from api.docs.postman import collection
from api.settings import RestSettings
from devtools.generate import aws, aws_costs, locations, nginx, observability, settings_page
from devtools.mutations import table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
AWS = ROOT / "deploy" / "aws"
DASHBOARDS = ROOT / "deploy" / "observability" / "dashboards"


def documents() -> dict[str, dict[str, Any]]:
    """Return the generated JSON files of docs/, content by name."""
    return {"openapi.json": openapi(ALL), "asyncapi.json": asyncapi(), "postman-collection.json": collection(ALL)}


def text(document: dict[str, Any]) -> bytes:
    """Return a document as the text of its file, which is stable and readable in a diff."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def pages() -> dict[str, str]:
    """Return the generated pages of docs/, content by name."""
    port = RestSettings.model_fields["realtime_port"].default
    return {
        "events.md": event_pages.markdown(asyncapi(), port),
        "metrics.md": observability.metrics_page(),
        "reliability.md": table.page(),
        "settings.md": settings_page.page(),
    }


def configuration() -> dict[str, str]:
    """Return the generated files of nginx/, content by name."""
    return {
        "locations.conf": locations.locations(),
        "owners.conf": locations.owners(),
        "problems.conf": locations.problems(),
        nginx.PROCESS_CONF: nginx.process(nginx.MOST_FILES),
        nginx.TOPOLOGY_CONF: nginx.render(nginx.COMPOSE),
        nginx.MICROSERVICES_CONF: nginx.render(nginx.MICROSERVICES),
    }


def deployment() -> dict[str, str]:
    """Return the generated files of deploy/aws/, content by name."""
    return {"nginx/topology.conf": nginx.render(nginx.AWS), **aws.templates(), "costs.md": aws_costs.page()}
