"""Mutations of the workers: effects that happen once, poison that fails alone, and pushes after their commit."""

from devtools.mutations.mutation import Mutation

RUNNER = "workers/runner.py"
POLICY = "social/notifications/policy.py"
LEFT_BEHIND = "tests/workers/test_left_behind.py"
RUN = "tests/workers/test_runner.py"
PIPELINE = "tests/workers/test_pipeline.py"
NOTIFICATIONS = "tests/workers/test_notifications.py"
STREAMS = "tests/social/notifications/test_streams.py"
RECOUNT = "tests/workers/test_recount.py"

MUTATIONS = (
    Mutation(
        "ack-before-the-transaction",
        "A message is acked only after its effect is durable.",
        RUNNER,
        "    started, now, all_happened = time.perf_counter(), clock.now(), [happened for _, happened in readable]\n",
        """    await readable[0][0].ack(*(each for each, _ in readable[1:]))
    started, now, all_happened = time.perf_counter(), clock.now(), [happened for _, happened in readable]
""",
        (f"{RUN}::test_a_message_is_acked_after_it_was_handled",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "redelivered-handled-together",
        "A message that ended a worker ends up alone: it does not keep its neighbours from being handled.",
        RUNNER,
        "[fresh, *_growing(again), behind,",
        "[fresh, again, behind,",
        (f"{LEFT_BEHIND}::test_poison_that_ends_the_process_ends_up_alone_and_all_before_it_are_done",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "failed-batch-not-taken-apart",
        "Of a batch that fails each message is tried alone, and none is forgotten.",
        RUNNER,
        "        if len(readable) > 1:\n",
        "        if False:\n",
        (f"{LEFT_BEHIND}::test_poison_in_it_is_tried_alone_and_its_neighbours_are_done",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "fresh-overtakes-redelivered",
        "A fresh message waits for a redelivered one with its key, which is older.",
        RUNNER,
        "(behind if earlier and key(each) in earlier else fresh).append(each)",
        "fresh.append(each)",
        (f"{RUN}::test_a_fresh_message_waits_for_a_redelivered_one_with_its_key",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "redelivered-told-as-fresh",
        "A handler knows that an event may have taken effect before, so that it repeats the pushes.",
        RUNNER,
        "await _batch(plaza, consumer, batch, again=not anew)",
        "await _batch(plaza, consumer, batch, again=False)",
        (f"{RUN}::test_a_handler_learns_which_events_may_have_taken_effect",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "parked-after-the-ack",
        "A message that no worker can handle is parked in the store before the broker forgets it.",
        RUNNER,
        """    await _until_available(lambda: parked.park(plaza.mongo, consumer.group, delivery, error))
    await delivery.ack()
""",
        """    await delivery.ack()
    await _until_available(lambda: parked.park(plaza.mongo, consumer.group, delivery, error))
""",
        (f"{RUN}::test_a_message_that_nobody_can_handle_is_parked_before_it_is_acked",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "outage-counts-as-a-failure",
        "While the store is away messages wait; none is retried or parked for it.",
        RUNNER,
        "            timeouts += await plaza.mongo.takes_writes()\n            if timeouts >= MOST_TIMEOUTS:\n",
        "            timeouts += await plaza.mongo.takes_writes()\n            if True:\n",
        (f"{RUN}::test_a_message_waits_for_a_store_that_is_away_and_not_for_one_that_works",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "inbox-row-not-written",
        "An event that comes again takes effect once.",
        "social/infra/broker/inbox.py",
        "        tx.insert(INBOX, *(InboxRow(_id=row_id, at=now) for row_id in new))\n",
        "",
        (f"{PIPELINE}::test_an_event_that_comes_again_changes_nothing",),
        pipeline=True,
    ),
    Mutation(
        "count-without-its-mark",
        "The mark that an event was counted commits with the count.",
        "workers/counters.py",
        "    await once(plaza, Group.COUNTERS, happened, record)\n",
        "    await plaza.mongo.transact(lambda tx: record(tx, happened))\n",
        (f"{PIPELINE}::test_an_event_that_comes_again_changes_nothing",),
        pipeline=True,
    ),
    Mutation(
        "recounted-events-counted-again",
        "An event that a recount has seen is not counted once more when it comes.",
        "workers/counters.py",
        "            if each.at > counted.get((collection, document_id), clock.EPOCH):\n",
        "            if each.at > clock.EPOCH:\n",
        (f"{RECOUNT}::test_an_event_that_comes_after_the_recount_is_not_counted_twice",),
        pipeline=True,
    ),
    Mutation(
        "recount-of-a-moving-count",
        "A repair does not overwrite a count that changed since it was found wrong.",
        "social/ops/recount.py",
        '{"_id": doubt.id, "version": doubt.version}',
        '{"_id": doubt.id}',
        (f"{RECOUNT}::test_what_changes_while_a_repair_commits_is_looked_at_another_time",),
    ),
    Mutation(
        "fact-of-a-random-id",
        "A cause notifies once, because the id of its fact is a hash of it.",
        "social/notifications/group_state.py",
        "        return hashlib.sha256(parts.encode()).hexdigest()\n",
        "        return hashlib.sha256((parts + clock.new_id()).encode()).hexdigest()\n",
        (f"{NOTIFICATIONS}::test_a_repeated_act_after_reading_is_no_news",),
        pipeline=True,
    ),
    Mutation(
        "fact-not-written",
        "A cause that was notified of is on record, in the transaction of its notification.",
        "social/notifications/groups.py",
        "        self._tx.insert(NOTIFICATION_FACTS, *(fact for each, fact in self._facts.items()"
        " if each not in self._known))\n",
        "",
        (f"{PIPELINE}::test_an_event_that_comes_again_changes_nothing",),
        pipeline=True,
    ),
    Mutation(
        "group-replaced-without-comparison",
        "A group that its recipient reads, or another worker changes, meanwhile is read again before it is replaced.",
        "social/notifications/groups.py",
        'unchanged = {"rev": rev, "read_at": read_at}',
        "unchanged = {}",
        (f"{NOTIFICATIONS}::test_a_group_that_is_read_while_an_act_joins_it_stays_read",),
        pipeline=True,
    ),
    Mutation(
        "block-not-looked-at",
        "Nobody is notified of what happens across a block.",
        "social/people/edges.py",
        "        return bool(self.blocks_at or self.blocked_at)\n",
        "        return False\n",
        (f"{NOTIFICATIONS}::test_nobody_hears_of_whom_they_muted_or_are_apart_from",),
        pipeline=True,
    ),
    Mutation(
        "mute-not-looked-at",
        "Nobody is notified of what a person whom they muted does.",
        POLICY,
        " and not state.mutes(trigger)\n",
        "\n",
        (f"{NOTIFICATIONS}::test_nobody_hears_of_whom_they_muted_or_are_apart_from",),
        pipeline=True,
    ),
    Mutation(
        "hidden-post-notified-of",
        "Nobody is notified of a post that they may not see.",
        POLICY,
        '        if trigger.kind != "user" and not self._shown(trigger):\n',
        "        if False:\n",
        (f"{NOTIFICATIONS}::test_nobody_hears_of_what_they_may_not_see",),
        pipeline=True,
    ),
    Mutation(
        "block-meanwhile-overlooked",
        "A block that another worker handles at that moment takes back a notification under way.",
        "workers/notifications.py",
        "if not plaza.members.alone(Group.NOTIFICATIONS) and await _overtaken(plaza, done.between):",
        "if False:",
        (f"{NOTIFICATIONS}::test_a_block_that_another_worker_handles_meanwhile_takes_back_notifications_under_way",),
        pipeline=True,
    ),
    Mutation(
        "pushed-before-the-commit",
        "What is pushed is in the stored stream, under its number.",
        "workers/notifications.py",
        "    done, tx = await plaza.mongo.transact(partial(record, happened=happened), timeout_s=inbox.TIMEOUT_S)\n",
        """    async def early(tx: Transaction) -> Recorded:
        recorded = await record(tx, happened)
        await news.push(plaza, recorded.numbered)
        return recorded

    done, tx = await plaza.mongo.transact(early, timeout_s=inbox.TIMEOUT_S)
""",
        (f"{NOTIFICATIONS}::test_nothing_is_pushed_before_it_is_in_the_stream",),
        pipeline=True,
    ),
    Mutation(
        "repeated-delivery-not-pushed",
        "A redelivered event repeats the push that a dead worker may have left out.",
        "workers/notifications.py",
        "    if again := done.again - {each.news.recipient for each in done.numbered}:\n",
        "    if again := set[str]():\n",
        (f"{NOTIFICATIONS}::test_what_is_delivered_again_is_pushed_again_under_the_same_number",),
        pipeline=True,
    ),
    Mutation(
        "due-group-not-read-again",
        "A due group that changes while it is pushed is pushed as it is then.",
        "workers/notifications.py",
        "        if tx.attempt:  # another process changed a group, or pushed it\n",
        "        if False:\n",
        (f"{NOTIFICATIONS}::test_a_group_that_changes_while_it_is_pushed_is_pushed_as_it_is_then",),
        pipeline=True,
    ),
    Mutation(
        "stream-moved-without-comparison",
        "Two workers never give one number of a stream to different news.",
        "social/notifications/streams.py",
        'unchanged = {"_id": user_id, "seq": head.seq, "epoch": head.epoch}',
        'unchanged = {"_id": user_id}',
        (f"{STREAMS}::test_of_two_who_append_at_once_one_looks_again",),
        pipeline=True,
    ),
    Mutation(
        "stream-numbers-again",
        "News that is in the stream keeps its number when it is appended again.",
        "social/notifications/streams.py",
        "        if known is None or known.rev < entry.rev:\n",
        "        if True:\n",
        (f"{STREAMS}::test_what_is_appended_again_keeps_its_number",),
        pipeline=True,
    ),
    Mutation(
        "continuation-acked-before-it-is-recorded",
        "The next chunk of a fan-out is recorded before the event of this one is acked.",
        "workers/fanout.py",
        "        await go_on(plaza, happened, FanOutContinued(post_id=post_id, author_id=author_id,"
        " after=reached.after))\n",
        """        more = FanOutContinued(post_id=post_id, author_id=author_id, after=reached.after)
        plaza.best_effort.start("go on", lambda: go_on(plaza, happened, more))
""",
        ("tests/workers/test_fanout.py::test_a_chunk_whose_next_one_is_not_recorded_has_failed",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "continuation-forgotten",
        "A fan-out goes on to the last follower.",
        "workers/fanout.py",
        "    await once(plaza, Group.FEEDS, [happened], record)\n",
        "    await once(plaza, Group.FEEDS, [], record)\n",
        (f"{PIPELINE}::test_a_post_reaches_every_follower_chunk_by_chunk",),
        pipeline=True,
    ),
)
