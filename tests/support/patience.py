"""The product's short waits for Redis, made long: a busy machine is no Redis that is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENT_S = 60.0
SHORT_WAITS = (
    "social.infra.redis.redis.ASK_S",
    "social.infra.redis.vouched.READ_S",
    "social.infra.redis.vouched.FORGET_S",
    "social.infra.redis.limits.ASK_S",
    "social.infra.redis.limits.REPORT_WITHIN_S",
)


@contextmanager
def patience() -> Iterator[None]:
    """Wait for Redis as long as it takes; a Redis that was killed is away at once nevertheless."""
    with pytest.MonkeyPatch.context() as patched:
        for name in SHORT_WAITS:
            patched.setattr(name, PATIENT_S)
        yield
