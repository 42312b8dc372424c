"""Reports of people to the operator."""

import time
from typing import Any

import pytest
from support.people import Door, Person
from support.site import Site

from social.contracts.reports import Report
from social.infra.process.even_times import FINE_S
from social.ops import reports


async def say(person: Person, kind: str, target: str, **more: Any) -> Any:
    return await person.ask("POST", "/v1/reports", {"target": {"kind": kind, "id": target}, "reason": "abuse"} | more)


async def test_a_person_a_post_or_a_comment_can_be_reported(ada: Person, bob: Person, site: Site) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "rude")
    for kind, target in (("user", ada.id), ("post", post.id), ("comment", comment.id)):
        report = (await say(bob, kind, target, text="look\nhere")).ok(Report, 201)
        assert (report.target.kind, report.target.id, report.text) == (kind, target, "look\nhere")
    listed = await reports.newest(site.plaza.mongo, 10)
    assert [(each["kind"], each["about"], each["reporter"]) for each in listed] == [
        ("comment", "ada", "bob"),
        ("post", "ada", "bob"),
        ("user", "ada", "bob"),
    ]


async def test_the_same_is_reported_once_by_each(ada: Person, bob: Person, eve: Person) -> None:
    assert (await say(bob, "user", ada.id)).status == 201
    (await say(bob, "user", ada.id, reason="spam")).refused(409, "already_reported")
    assert (await say(eve, "user", ada.id)).status == 201


async def test_a_report_sent_again_under_its_key_gets_its_answer_again(ada: Person, bob: Person) -> None:
    ask = {"target": {"kind": "user", "id": ada.id}, "reason": "spam"}
    first, second = [await bob.ask("POST", "/v1/reports", ask, key="k") for _ in range(2)]
    assert (first.status, first.raw) == (second.status, second.raw) == (201, first.raw)


async def test_what_is_not_there_or_ones_own_cannot_be_reported(ada: Person) -> None:
    for kind in ("user", "post", "comment"):
        (await say(ada, kind, "0" * 24)).refused(404, "not_found")
    post = await ada.publish("mine")
    for kind, target in (("user", ada.id), ("post", post.id)):
        assert (await say(ada, kind, target)).wrong_fields() == {"/target": "oneself"}


async def test_what_is_hidden_takes_as_long_as_nothing(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await ada.ask("PUT", "/v1/users/bob/block")
    for path in (f"/v1/posts/{post.id}", f"/v1/posts/{'0' * 24}", "/v1/users/ada", "/v1/users/nobody_at_all"):
        began = time.perf_counter()
        (await bob.ask("GET", path)).refused(404, "not_found")
        assert time.perf_counter() - began >= FINE_S, path


async def test_a_report_says_what_it_is_about(ada: Person, bob: Person) -> None:
    answer = await say(bob, "server", "x", reason="dislike", text="a\x07b", urgent=True)
    assert answer.wrong_fields() == {
        "/target/kind": "literal_error",
        "/target/id": "string_pattern_mismatch",
        "/reason": "literal_error",
        "/text": "string_pattern_mismatch",
        "/urgent": "extra_forbidden",
    }


async def test_one_person_reports_so_much_a_day(
    ada: Person, bob: Person, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.ops.reports.MOST_A_DAY", 2)
    for n in range(2):
        assert (await say(bob, "post", (await ada.publish(f"{n}")).id)).status == 201
    (await say(bob, "user", ada.id)).refused(429, "rate_limited")
