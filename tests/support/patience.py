"""The product's deadlines for its servers and decoders, made long: a busy machine is no server that is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENT_S = 200.0
DEADLINES = (
    "social.infra.redis.redis.ASK_S",
    "social.infra.redis.vouched.READ_S",
    "social.infra.redis.vouched.FORGET_S",
    "social.infra.redis.limits.ASK_S",
    "social.infra.redis.limits.REPORT_WITHIN_S",
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


@contextmanager
def patience() -> Iterator[None]:
    """Wait as long as it takes; a Redis that was killed is away at once nevertheless."""
    with pytest.MonkeyPatch.context() as patched:
        for name in DEADLINES:
            patched.setattr(name, PATIENT_S)
        yield
