"""Clocks that are apart are measured and logged."""

from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.eventually import eventually
from support.skew import clock_ahead, skew

from social.infra import clock
from social.infra.process import watching
from social.infra.process.process import Tasks
from social.infra.redis.redis import connect
from social.infra.store.mongo import Mongo

__all__ = ["skew"]

pytestmark = pytest.mark.usefixtures("skew")


def ahead(server: str) -> float:
    return REGISTRY.get_sample_value("plaza_clock_offset_seconds", {"server": server}) or 0.0


@pytest.mark.parametrize(("ahead_s", "level"), [(0, None), (5, "warning"), (-12, "warning"), (60, "error")])
async def test_how_far_clocks_are_apart_is_a_metric_and_a_line_in_the_log(
    mongo_url: str, mongo_database: str, redis_url: str, ahead_s: float, level: str | None
) -> None:
    mongo, redis, tasks = Mongo(mongo_url, mongo_database), connect(redis_url), Tasks()
    watching.report_offset("store", timedelta(seconds=99))
    watching.report_offset("redis", timedelta(seconds=99))

    async def measured() -> None:
        assert [ahead(server) for server in ("store", "redis")] == pytest.approx([ahead_s] * 2, abs=1)

    with capture_logs() as said, clock_ahead(ahead_s):
        tasks.keep("clocks", lambda: watching.watch_clocks(mongo, redis))
        await eventually(measured)
    await tasks.cancel()
    found = [(each["server"], each["log_level"]) for each in said if each["event"] == "clocks are apart"]
    assert found == ([("store", level), ("redis", level)] if level else [])
    await redis.aclose()
    mongo.close()


async def test_a_slow_answer_is_no_difference_of_clocks() -> None:
    now = clock.now()
    times = iter([now, now + timedelta(seconds=5)])

    async def asks() -> datetime:
        return now + timedelta(seconds=3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: next(times))
        assert await watching.clock_offset(asks) == timedelta(0)
