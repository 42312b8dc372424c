"""Rules of repeating: which requests, after how long, and after how long a login is renewed."""

import random
from typing import NamedTuple

REPEATABLE = frozenset({0, 429, 502, 503, 504})  # statuses after which the same request may succeed; 0: no answer
REFUSED_UNDONE = frozenset({429, 503})  # statuses that promise that nothing was done
LONGEST_WAIT_S = 30.0
RENEW_AT = 0.8  # of the life of an access token


class Retrying(NamedTuple):
    """Patience in repeating requests and opening connections again."""

    first_s: float = 0.2
    most_s: float = 5.0
    give_up_s: float = 60.0  # of one request

    def wait_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Return the seconds to wait after attempt 0, 1, …; the server's `Retry-After` decides where there is one."""
        if retry_after_s is not None:
            return max(0.0, min(LONGEST_WAIT_S, retry_after_s))
        most = min(self.most_s, self.first_s * 2 ** min(attempt, 16))
        return random.uniform(most / 2, most)  # noqa: S311 - spreads clients, keeps no secret


def renew_after_s(lives_s: float) -> float:
    """Return after how many seconds an access token is renewed that lives so long."""
    return RENEW_AT * lives_s
