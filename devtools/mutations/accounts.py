"""Mutations of logins: ends of sessions, refresh tokens and limits of requests."""

from devtools.mutations.mutation import Mutation

REVOCATIONS = "social/infra/security/revocations.py"
LOGIN = "social/accounts/login.py"
SESSIONS = "tests/realtime/test_sessions.py"
AUTH = "tests/api/test_auth.py"

MUTATIONS = (
    Mutation(
        "revocation-not-checked-after-connect",
        "A login that ends while its socket connects does not get in.",
        "realtime/connect.py",
        """        try:
            self._plaza.revocations.check(socket.login)
        except Problem:
            self._lifecycle.end(socket, self._plaza.revocations.reason(socket.login) or SessionEnd.UNKNOWN)
""",
        "",
        (f"{SESSIONS}::test_a_login_that_ends_at_the_moment_of_its_connect_is_closed",),
    ),
    Mutation(
        "revocation-not-checked-at-connect",
        "A login that has ended opens no socket.",
        "realtime/connect.py",
        "            self._plaza.revocations.check(access)\n            start, hidden = await",
        "            start, hidden = await",
        ("tests/realtime/test_session_ends.py::test_who_was_not_refused_by_the_old_gateway_is_refused_by_a_new_one",),
    ),
    Mutation(
        "revocations-polled-without-overlap",
        "An end of a session that became visible late is found by every process.",
        "social/infra/store/read_mark.py",
        "        return min(self._until, now - OVERLAP) if self._until else now - first\n",
        "        return min(self._until + OVERLAP, now) if self._until else now - first\n",
        ("tests/social/infra/store/test_read_mark.py",),
        quick=True,
    ),
    Mutation(
        "old-list-of-revocations-trusted",
        "A process that cannot read the ended sessions refuses logins instead of trusting an old list.",
        REVOCATIONS,
        "        if time.monotonic() - self._fresh_at > FAIL_CLOSED_S:\n",
        "        if False:\n",
        ("tests/social/infra/security/test_revocations.py::test_a_list_that_is_too_old_lets_nobody_in",),
        quick=True,
    ),
    Mutation(
        "mark-on-an-account-not-looked-at",
        "All sessions of an account end at once, however many there are.",
        REVOCATIONS,
        "        mark = self._all.get(login.user_id)\n",
        "        mark = None\n",
        ("tests/api/test_many_sessions.py::test_thousands_of_sessions_end_at_once_and_their_rows_follow",),
    ),
    Mutation(
        "reuse-of-a-refresh-token-ends-nothing",
        "A refresh token that is used after its successor ends the whole session.",
        LOGIN,
        "        await session_ends.revoke(plaza, session_id, SessionEnd.REUSED, client)\n",
        "",
        (f"{AUTH}::test_a_refresh_token_used_after_its_successor_ends_the_whole_session",),
    ),
    Mutation(
        "old-refresh-token-traded",
        "A refresh token buys the next pair once.",
        LOGIN,
        '{"_id": session_id, "hash": old, "revoked_at": None, "expires_at": {"$gt": now}}',
        '{"_id": session_id, "revoked_at": None, "expires_at": {"$gt": now}}',
        (f"{AUTH}::test_a_refresh_token_used_after_its_successor_ends_the_whole_session",),
    ),
    Mutation(
        "late-retries-without-bound",
        "Two who live on one session by trading what the other traded are found out.",
        "social/accounts/refreshing.py",
        '    if age > LATE or (last and last["of"] != successor and now - last["at"] <= LATE):\n',
        "    if age > LATE:\n",
        (f"{AUTH}::test_two_who_live_on_one_session_are_found_out",),
    ),
    Mutation(
        "limit-of-a-person-not-applied-to-requests",
        "A person over their limit is refused.",
        "api/limits.py",
        "    if not decisions[-1].allowed:\n",
        "    if False:\n",
        ("tests/api/test_limits.py::test_a_person_over_their_limit_is_refused_and_nobody_else",),
    ),
    Mutation(
        "debt-of-a-limit-forgotten",
        "A quota may be used at once, and no more.",
        "social/infra/redis/limits.py",
        "            self._paid_off[key] = now + debt\n",
        "            self._paid_off[key] = now\n",
        ("tests/social/infra/redis/test_limits.py::test_without_redis_each_process_holds_the_limit",),
    ),
    Mutation(
        "attempts-at-once-are-free",
        "Guessing many passwords at once is not faster.",
        "social/infra/redis/delays.py",
        "failed = failed + 1\n",
        "",
        ("tests/social/infra/redis/test_delays.py::test_many_at_once_are_not_all_free",),
    ),
)
