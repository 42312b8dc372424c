"""Mutations of the way from a commit to the broker and back: outbox, publishing, acks and retries."""

from devtools.mutations.mutation import Mutation

RABBIT = "social/infra/broker/rabbit.py"
RABBIT_DELIVERIES = "social/infra/broker/rabbit_deliveries.py"
SQS_PARTITION = "social/infra/broker/sqs_partition.py"
RELAY = "tests/workers/test_relay.py"
NO_QUEUE = "tests/workers/test_rabbit.py::test_an_event_that_no_queue_takes_stays_in_the_outbox"
ACKS = "tests/social/infra/broker/test_acks.py"
SQS_QUEUES = "tests/social/infra/broker/test_sqs_queues.py"

MUTATIONS = (
    Mutation(
        "outbox-row-left-out",
        "An event commits together with its write: it survives a process that dies before it publishes.",
        "social/infra/store/transaction.py",
        '        return [*self.writes, *(Write("insert", OUTBOX, row, None) for row in rows)]',
        "        return [*self.writes]",
        (f"{RELAY}::test_the_relay_publishes_what_the_fast_path_drops",),
        pipeline=True,
    ),
    Mutation(
        "outbox-row-after-the-commit",
        "No moment exists in which a write is durable and its event is not.",
        "social/infra/process/plaza.py",
        "            result, tx = await self.mongo.transact(work)\n",
        """            from social.infra.store.rows import OUTBOX

            events = []

            async def apart(tx: Transaction) -> T:
                found = await work(tx)
                events[:], tx.recorded = tx.recorded, []
                return found

            result, tx = await self.mongo.transact(apart)
            tx.recorded = events
            await self.mongo.insert_missing(OUTBOX, [{"_id": e.id, **e.model_dump(exclude={"id"})} for e in events])
""",
        (
            "tests/social/infra/process/test_plaza.py::"
            "test_an_event_is_in_the_outbox_when_its_write_has_just_been_committed",
        ),
        pipeline=True,
    ),
    Mutation(
        "row-deleted-before-the-confirm",
        "An outbox row stays until the broker has confirmed its event.",
        RABBIT,
        "        results = await asyncio.gather(",
        """        self._outbox.forget_soon([each.id for each in envelopes])
        results = await asyncio.gather(""",
        (NO_QUEUE,),
        pipeline=True,
    ),
    Mutation(
        "failed-publish-counts-as-done",
        "An event that the broker refused stays in the outbox.",
        RABBIT,
        """        done = [
            each.id for each, result in zip(envelopes, results, strict=True) if not isinstance(result, BaseException)
        ]
""",
        "        done = [each.id for each in envelopes]\n",
        (NO_QUEUE,),
        pipeline=True,
    ),
    Mutation(
        "publish-not-mandatory",
        "An event that reaches no queue is returned and published again, not dropped by RabbitMQ.",
        RABBIT,
        "            await self._events.publish(message, routing_key, mandatory=True)",
        "            await self._events.publish(message, routing_key, mandatory=False)",
        (NO_QUEUE,),
        pipeline=True,
    ),
    Mutation(
        "returned-event-counts-as-confirmed",
        "RabbitMQ confirms an event that it returned as well: only the return says that no queue has it.",
        RABBIT,
        "publisher_confirms=True, on_return_raises=True",
        "publisher_confirms=True, on_return_raises=False",
        (NO_QUEUE,),
        pipeline=True,
    ),
    Mutation(
        "retry-acked-before-its-copy",
        "A failed message is acked only when the broker has confirmed the copy that returns later.",
        RABBIT_DELIVERIES,
        """        await self._publish_retry(delivery, queue)
        await self.done([delivery])
""",
        """        await self.done([delivery])
        await self._publish_retry(delivery, queue)
""",
        (f"{ACKS}::test_a_message_that_failed_is_acked_after_its_copy_is_confirmed",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "retry-copy-not-mandatory",
        "A copy for a delay queue that is gone is returned, so that the message itself is not acked.",
        RABBIT,
        "mandatory=True, timeout=CONFIRM_DEADLINE_S",
        "mandatory=False, timeout=CONFIRM_DEADLINE_S",
        ("tests/workers/test_rabbit.py::test_a_failed_message_that_no_delay_queue_takes_comes_again",),
        pipeline=True,
    ),
    Mutation(
        "ack-of-older-messages",
        "An ack never includes an older message that is still being handled.",
        RABBIT_DELIVERIES,
        "    together = max((tag for tag in messages if tag < oldest), default=0)",
        "    together = max(messages, default=0)",
        (f"{ACKS}::test_what_is_acked_is_what_was_handled",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "messages-of-a-lost-channel-handled",
        "A worker handles no message that RabbitMQ delivers to another worker again.",
        RABBIT_DELIVERIES,
        "            if each.held:\n",
        "            if True:\n",
        (f"{ACKS}::test_what_a_channel_had_that_is_lost_is_neither_taken_nor_acked",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "relay-keeps-rows-of-others",
        "Rows of a shard are published by the process that holds its lease, so that they keep their order.",
        "workers/relay.py",
        "[row for row in found if partition(row.key, SHARDS) in held]",
        "[*found]",
        (f"{RELAY}::test_a_relay_publishes_the_rows_of_its_shards_in_their_order",),
        pipeline=True,
    ),
    Mutation(
        "relay-goes-on-without-its-lease",
        "A relay whose lease is over leaves its rows to the next holder.",
        "workers/relay.py",
        "if len(found) < BATCH or not all([await lease.take() for lease in held.values()]):",
        "if len(found) < BATCH:",
        (f"{RELAY}::test_a_relay_that_loses_a_lease_leaves_the_rest_to_the_next_one",),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "sweeper-works-without-its-lease",
        "A periodic job runs in the process that holds its lease.",
        "workers/sweeper.py",
        "            if not await lease.take():\n                return\n",
        "            await lease.take()\n",
        ("tests/workers/test_sweeper.py::test_a_process_without_the_lease_does_nothing",),
    ),
    Mutation(
        "lease-holder-not-compared",
        "Only one process at a time has a lease.",
        "social/infra/store/leases.py",
        '{"$cond": ["$free", value, f"${name}"]}',
        '{"$cond": [True, value, f"${name}"]}',
        ("tests/workers/test_future_times.py::test_of_many_who_want_a_lease_at_once_one_has_it",),
        pipeline=True,
    ),
    Mutation(
        "lease-never-over",
        "A process that could not renew its lease stops to work under it.",
        "social/infra/store/leases.py",
        "        return time.monotonic() >= self._ends_at\n",
        "        return not self.held and not self._ends_at\n",
        ("tests/workers/test_future_times.py::test_a_lease_lasts_as_long_as_it_says_by_whatever_clock_it_was_taken",),
        pipeline=True,
    ),
    Mutation(
        "sqs-deleted-before-the-transaction",
        "A message is deleted from SQS only after its effect is durable.",
        SQS_PARTITION,
        "                    self._arrived(received)\n",
        """                    self._arrived(received)
                    self._acked |= {each.receipt: each for each in received}
                    await self._delete()
""",
        (f"{SQS_QUEUES}::test_a_consumer_that_stops_shows_its_messages_to_the_next_at_once",),
        pipeline=True,
    ),
    Mutation(
        "sqs-held-without-a-lease",
        "A consumer whose lease is over acks and handles none of the messages that it still has.",
        SQS_PARTITION,
        "            and not self._lease.is_over\n",
        "",
        (f"{SQS_QUEUES}::test_without_its_lease_a_consumer_holds_acks_and_retries_nothing",),
        pipeline=True,
    ),
    Mutation(
        "sqs-held-while-shown-to-others",
        "A consumer handles no message that SQS may show to another by now.",
        SQS_PARTITION,
        "            and time.monotonic() < delivery.visible_at\n",
        "",
        (
            "tests/social/infra/broker/test_sqs_consumers.py::"
            "test_a_message_that_sqs_may_show_to_others_is_held_no_more",
        ),
        pipeline=True,
        quick=True,
    ),
    Mutation(
        "sqs-silence-counts-as-taken",
        "An event that an answer of SQS leaves out stays in the outbox.",
        "social/infra/broker/sqs_sender.py",
        '        _refuse(batch, BrokerAway(f"{self._queue} did not say whether it took a message"))\n',
        """        for message in batch:
            if not message.sent.done():
                message.sent.set_result(None)
""",
        ("tests/social/infra/broker/test_sqs_failures.py::test_an_answer_that_leaves_out_a_message_confirms_it_not",),
        pipeline=True,
    ),
    Mutation(
        "embedded-row-deleted-after-one-group",
        "The embedded broker keeps a row until every consumer group has acked its event.",
        "embedded/local_broker.py",
        "        if not waiting:\n            self._delete_soon(delivery.event.id)\n",
        "        if True:\n            self._delete_soon(delivery.event.id)\n",
        ("tests/system/test_kills.py::test_the_embedded_system_killed_at_a_step_ends_with_each_like_once",),
        pipeline=True,
    ),
    Mutation(
        "writes-admitted-while-too-many-events-wait",
        "A write is acknowledged only while its event can be delivered in bounded time.",
        "social/infra/broker/outbox.py",
        "        if self._overloaded:\n",
        "        if False:\n",
        ("tests/api/test_outage.py::test_writes_are_refused_while_too_many_events_wait",),
        pipeline=True,
    ),
)
