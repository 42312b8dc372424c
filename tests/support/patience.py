"""The product's deadlines for its servers and decoders, made long: a busy machine is no server that is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from social.infra.store.group_commit import GroupCommit
from social.infra.store.mongo import Mongo

PATIENT_S = 200.0
DEADLINES = (
    "social.infra.redis.redis.ASK_S",
    "social.infra.redis.vouched.READ_S",
    "social.infra.redis.vouched.FORGET_S",
    "social.infra.redis.limits.ASK_S",
    "social.infra.redis.limits.REPORT_WITHIN_S",
    "social.infra.redis.cluster.REFRESH_ASK_S",
    "social.infra.redis.sentinel.ASK_S",
    "social.infra.files.pictures.decoding.WAITS_S",
    "social.infra.files.pictures.decoding.WITHIN_S",
    "api.forms.DONE_WITHIN_S",
    "api.forms.GRACE_S",
    "api.http.DEADLINE_S",
    "api.decoding.BODY_S",
    "realtime.claims.CLAIM_S",
    "social.infra.broker.rabbit.CONFIRM_DEADLINE_S",
    "social.infra.broker.rabbit.DECLARE_DEADLINE_S",
    "social.infra.broker.rabbit.OPEN_DEADLINE_S",
    "social.infra.broker.rabbit_deliveries.OPEN_S",
    "social.infra.broker.sqs.CONFIRM_DEADLINE_S",
    "social.infra.process.health.CHECK_DEADLINE_S",
)


STORE_S = 20.0  # for an operation of the store: a test that kills it waits for that

# URLs of pictures change each half an hour: no test compares one of before with one of after.
URLS_LAST_S = 100_000_000


@contextmanager
def patience() -> Iterator[None]:
    """Wait as long as it takes, and keep URLs; a Redis that was killed is away at once nevertheless."""
    with pytest.MonkeyPatch.context() as patched:
        for name in DEADLINES:
            patched.setattr(name, PATIENT_S)
        for call in (Mongo.__init__, Mongo.transact, GroupCommit.commit):  # type: ignore[misc]
            patched.setitem(call.__kwdefaults__, "timeout_s", STORE_S)
        patched.setattr("social.posts.media_urls.WINDOW_S", URLS_LAST_S)
        yield
