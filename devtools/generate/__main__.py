"""`python -m devtools.generate` writes the generated files of docs/, nginx/, deploy/ and clients/, and .env.example."""

from devtools.generate import nginx, settings
from devtools.generate.dashboards import dashboards
from devtools.generate.documents import AWS, DASHBOARDS, DOCS, ROOT, configuration, deployment, documents, pages, text
from devtools.generate.helm.chart import CHART, chart
from devtools.generate.python_models import MODELS, models

if __name__ == "__main__":
    for name, document in documents().items():
        (DOCS / name).write_bytes(text(document))
    for name, dashboard in dashboards().items():
        (DASHBOARDS / name).write_bytes(text(dashboard))
    for name, page in pages().items():
        (DOCS / name).write_text(page)
    for name, directives in configuration().items():
        (nginx.SOURCE / name).write_text(directives)
    for path, lines in settings.examples().items():
        (ROOT / path).write_text(lines)
    for name, written in deployment().items():
        (AWS / name).write_text(written)
    for name, content in chart().items():  # the last, as it copies some of the others
        (CHART / name).write_text(content)
    MODELS.write_text(models())
