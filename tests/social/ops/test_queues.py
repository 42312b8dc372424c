"""An operator makes the queues of SQS, and the doctor sees which are missing or would lose messages."""

from pathlib import Path

import pytest
from support.sqs import client_of, refusal, scripted

from social.__main__ import main
from social.ops.doctor import sqs
from social.ops.doctor.findings import Finding, Level


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read no file of this checkout."""
    monkeypatch.chdir(tmp_path)


def make() -> object:
    with pytest.raises(SystemExit) as ended:
        main(["queues"])
    return ended.value.code


async def findings(url: str) -> list[Finding]:
    return [each async for each in sqs.examine(url, "plaza", 2)]


def test_queues_are_made_once_and_corrected_after_that(
    sqs_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROKER_URL", sqs_url)
    monkeypatch.setenv("WORKER_PARTITIONS", "2")
    assert make() == 0
    first = capsys.readouterr().out.splitlines()
    assert len(first) == 12
    assert all(line.endswith(" made") for line in first)
    assert make() == 0
    assert all(line.endswith(" is there") for line in capsys.readouterr().out.splitlines())


def test_queues_of_rabbitmq_are_nothing_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "amqp://localhost/")
    assert "BROKER_URL names no SQS" in str(make())


def test_a_region_is_needed_and_other_options_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "sqs://?prefix=plaza")
    assert "BROKER_URL is wrong: it names no region" in str(make())
    monkeypatch.setenv("BROKER_URL", "sqs://eu-central-1?colour=red")
    assert "BROKER_URL is wrong: the options of SQS are" in str(make())


async def test_the_doctor_names_queues_that_are_missing_or_lose_messages(sqs_url: str) -> None:
    url = sqs_url.replace("&create=yes", "")
    (none,) = await findings(url)
    assert none.level == Level.PROBLEM
    assert none.says.endswith("-notifications-0 and 11 more in eu-central-1")
    assert none.remedy == "python -m social queues"
    async with client_of(url) as client:
        names = client.place.queues(2)
        await client.find(names, create=True)
        (well,) = await findings(url)
        assert well.level == Level.OK
        assert "all 12 queues" in well.says
        short, redriven = names[:2]
        await client.ask("set_queue_attributes", short, Attributes={"MessageRetentionPeriod": "345600"})
        policy = '{"maxReceiveCount": 3, "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:000000000000:dead"}'
        await client.ask("set_queue_attributes", redriven, Attributes={"RedrivePolicy": policy})
    said = [each.says for each in await findings(url)]
    assert said == [
        f"of {short} MessageRetentionPeriod is 345600: messages may be lost or come twice",
        f"{redriven} has a redrive policy: it takes away messages that workers have yet to handle or park",
    ]


async def test_the_doctor_says_once_that_credentials_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-a-test")
    async with scripted() as server:
        server.answers["GetQueueUrl"] = [refusal("InvalidClientTokenId")]
        (found,) = await findings(f"sqs://eu-central-1?endpoint={server.url}")
    assert (found.level, found.about) == (Level.PROBLEM, "sqs")
    assert "refuses its credentials" in found.says
    assert "policy" in found.remedy
