"""Mutations of transactions: conditions of writes, idempotency keys, deadlines and durability."""

from devtools.mutations.mutation import Mutation

STORE_TRANSACTION = "social/infra/store/store_transaction.py"
GROUP_COMMIT = "tests/social/infra/store/test_group_commit.py"
REPLACED = "tests/social/infra/store/test_store_transaction.py::test_a_document_is_replaced_only_as_it_was_read"
IDEMPOTENCY = "tests/api/test_idempotency.py"

MUTATIONS = (
    Mutation(
        "condition-of-a-guarded-write-dropped",
        "A write whose condition does not hold is refused, with its whole transaction.",
        STORE_TRANSACTION,
        '    if expected and answer["n"] != expected:\n',
        "    if False:\n",
        (f"{GROUP_COMMIT}::test_a_verb_that_another_process_overtakes_runs_anew",),
        pipeline=True,
    ),
    Mutation(
        "single-replacement-without-comparison",
        "A document is replaced only as it was read.",
        STORE_TRANSACTION,
        '**({} if compared else each["unchanged"])',
        "**{}",
        (REPLACED,),
        pipeline=True,
    ),
    Mutation(
        "replacements-without-comparison",
        "Several documents are replaced together only as they were read.",
        STORE_TRANSACTION,
        "        if there is None or any(there.get(name) != value"
        ' for name, value in statement["unchanged"].items()):\n',
        "        if there is None:\n",
        (REPLACED,),
        pipeline=True,
    ),
    Mutation(
        "lost-answer-to-a-commit-not-asked-again",
        "A commit whose answer was lost is asked for again, and is not called a failure.",
        STORE_TRANSACTION,
        '            if not error.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > until:\n'
        "                raise\n",
        "            raise\n",
        (f"{GROUP_COMMIT}::test_a_commit_whose_answer_is_lost_is_asked_for_again",),
    ),
    Mutation(
        "lost-answer-to-a-commit-counts-as-done",
        "A commit whose answer was lost is acknowledged only once the store says that it took effect.",
        STORE_TRANSACTION,
        '            if not error.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > until:\n'
        "                raise\n",
        '            if error.has_error_label("UnknownTransactionCommitResult"):\n'
        "                return\n"
        "            raise\n",
        (f"{GROUP_COMMIT}::test_a_commit_that_did_not_take_effect_is_not_answered_before_it_does",),
    ),
    Mutation(
        "one-member-is-enough",
        "A write is acknowledged when a majority has it on disk.",
        STORE_TRANSACTION,
        'DURABLE = WriteConcern(w="majority", j=True)',
        "DURABLE = WriteConcern(w=1)",
        (f"{GROUP_COMMIT}::test_a_commit_asks_for_the_disks_of_a_majority",),
    ),
    Mutation(
        "refused-verb-not-run-anew",
        "A verb that is refused runs anew on the state that is there, instead of answering by what it read.",
        "social/infra/store/mongo.py",
        "                        conflict = refused.on\n",
        "                        conflict = refused.on\n                        break\n",
        (f"{GROUP_COMMIT}::test_a_verb_that_another_process_overtakes_runs_anew",),
        pipeline=True,
    ),
    Mutation(
        "commit-without-a-deadline",
        "A commit that the store does not answer ends with the deadline of its callers, and the next one begins.",
        "social/infra/store/group_commit.py",
        "        within_s = max(unit.until for unit in group) - loop.time()\n",
        "        within_s = 90.0\n",
        (f"{GROUP_COMMIT}::test_a_store_that_says_nothing_refuses_in_time_and_holds_nobody_up_afterwards",),
    ),
    Mutation(
        "abandoned-transaction-written",
        "A transaction that its caller has given up is not begun again.",
        "social/infra/store/group_commit.py",
        "        return [unit for unit in group if not unit.done.done()]\n",
        "        return group\n",
        (f"{GROUP_COMMIT}::test_who_gives_up_between_two_attempts_writes_nothing",),
    ),
    Mutation(
        "abandoned-read-sent",
        "A read that its caller has given up costs the store nothing.",
        "social/infra/store/pipelined.py",
        "        wanted = [each for each in self._waiting if not each.done.done()]\n",
        "        wanted = [*self._waiting]\n",
        ("tests/social/infra/store/test_pipelined.py::test_a_caller_that_gave_up_costs_the_store_nothing",),
    ),
    Mutation(
        "idempotency-row-not-written",
        "A retry of a write gets its first answer and writes nothing.",
        "social/infra/process/plaza.py",
        "            tx.insert(IDEMPOTENCY, IdempotencyRow(_id=row_id, fingerprint=fingerprint, body=body,"
        " at=clock.now()))\n",
        "",
        (f"{IDEMPOTENCY}::test_a_retry_gets_the_first_answer_and_writes_nothing",),
    ),
    Mutation(
        "idempotency-row-outside-of-the-transaction",
        "The row of an idempotency key commits with its write, so that two requests at once are one write.",
        "social/infra/process/plaza.py",
        "            tx.insert(IDEMPOTENCY, IdempotencyRow(_id=row_id, fingerprint=fingerprint, body=body,"
        """ at=clock.now()))
            return result

        try:
            return await self._commit(verb, work)
""",
        """            late.update(_id=row_id, fingerprint=fingerprint, body=body, at=clock.now())
            return result

        late: Any = {}
        try:
            if found := await self.mongo.one(IDEMPOTENCY, {"_id": row_id}):
                raise _Answered(found)
            done = await self._commit(verb, work)
            await self.mongo.insert_missing(IDEMPOTENCY, [late])
            return done
""",
        (f"{IDEMPOTENCY}::test_twins_at_the_same_time_are_one_write",),
    ),
    Mutation(
        "idempotency-key-taken-for-another-write",
        "A key that was used for another write is refused, and not answered with that.",
        "social/infra/process/plaza.py",
        '        if stored["fingerprint"] != fingerprint:\n',
        "        if False:\n",
        (f"{IDEMPOTENCY}::test_a_key_used_for_another_text_is_refused",),
    ),
    Mutation(
        "edge-changed-without-comparison",
        "A follow and a block at the same moment never both stand.",
        "social/people/edges.py",
        'tx.update(EDGES, {"_id": before.id, **_times(before)}, _change(after), upsert=True)',
        'tx.update(EDGES, {"_id": before.id}, _change(after), upsert=True)',
        ("tests/social/people/test_edges.py::test_a_follow_that_a_block_overtakes_is_looked_at_again",),
    ),
    Mutation(
        "act-added-twice",
        "Many taps at once are one like.",
        "social/posts/interactions.py",
        'tx.update(INTERACTIONS, {"_id": before["_id"], act: None}, {"$set": done})',
        'tx.update(INTERACTIONS, {"_id": before["_id"]}, {"$set": done})',
        ("tests/social/posts/test_interactions.py::test_an_act_that_another_process_did_meanwhile_is_done_once",),
    ),
    Mutation(
        "last-act-takes-others-along",
        "Taking back a like never takes along a repost or bookmark that was made at that moment.",
        "social/posts/interactions.py",
        '    where: Document = {"_id": before["_id"], **others}',
        '    where: Document = {"_id": before["_id"]}',
        ("tests/social/posts/test_interactions.py::test_a_verb_runs_anew_where_another_act_came_between",),
    ),
    Mutation(
        "lines-not-forgotten",
        "Who has published a post sees it in the timeline that is read next.",
        "social/infra/process/plaza.py",
        "        await self.lines.forget(tx.lines)\n",
        "",
        ("tests/api/test_feeds.py::test_a_page_that_is_read_again_and_again_shows_at_once_what_its_reader_does",),
    ),
)
