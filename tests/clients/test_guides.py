"""The guides for Kotlin, Swift and Flutter are short and have the names of the wire; test_kotlin.py runs Kotlin's."""

import re

import pytest
from support.documents import ROOT, blocks

from social.contracts.messages import Sync, SyncAnswer, SyncEvent
from social.contracts.pushes import SERVER_EVENTS

GUIDES = {"kotlin": "kotlin", "swift": "swift", "flutter": "dart"}
STREAM = {event.name for event in SERVER_EVENTS.values() if event.kind == "stream"}


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_has_the_way_back_in_forty_lines_and_every_event_of_the_stream(guide: str) -> None:
    first = next(each for each in blocks(f"docs/clients/{guide}.md") if each.language == GUIDES[guide])
    lines = [
        line for line in first.text.splitlines() if line.strip() and not line.startswith(("import ", "///", "/**"))
    ]
    assert len(lines) <= 40
    said = set(re.findall(r"""["']([a-z_.]+)["']""", first.text))
    assert said >= STREAM
    fields = {*Sync.model_fields, *SyncAnswer.model_fields, *SyncEvent.model_fields}
    assert said - STREAM - {"token", ".", "websocket"} == {Sync.event, "data", *fields}


def test_the_page_of_all_clients_leads_to_every_guide() -> None:
    page = (ROOT / "docs/clients/README.md").read_text()
    assert set(re.findall(r"\((\w+)\.md\)", page)) == set(GUIDES)
    assert {each.stem for each in (ROOT / "docs/clients").glob("*.md")} == {"README", *GUIDES}
    for guide in ("rest", "sockets"):
        assert "../clients/README.md" in (ROOT / f"docs/guide/{guide}.md").read_text()
