"""Mutations of backups and restores: archives that are whole, and what a restored system begins anew."""

from devtools.mutations.mutation import Mutation

RESTORING = "social/ops/restoring.py"
RESTORE = "tests/system/test_restore.py"

MUTATIONS = (
    Mutation(
        "archive-not-looked-at",
        "An archive that has its name is whole, and on the machine that asked for it.",
        "social/ops/backups.py",
        "        if os.fstat(written.fileno()).st_size != size:\n",
        "        if False:\n",
        ("tests/system/test_operator.py::test_an_archive_that_the_store_wrote_elsewhere_is_no_backup",),
    ),
    Mutation(
        "restored-streams-keep-their-epoch",
        "A client that saw more than a backup holds is told to fetch again, whoever asks for the stream.",
        RESTORING,
        '        await streams.renew(mongo, [row["_id"] for row in rows], epoch)\n',
        "",
        (f"{RESTORE}::test_a_client_that_saw_more_than_the_backup_holds_must_fetch_again",),
    ),
    Mutation(
        "restored-sessions-go-on",
        "A session that ended after a backup is not brought back by it.",
        RESTORING,
        "    await schema.empty(mongo, SESSIONS, ONE_TIME_TOKENS)\n",
        "",
        ("tests/system/test_operator.py::test_after_the_loss_of_the_broker_alone_sessions_and_streams_go_on",),
    ),
    Mutation(
        "events-of-a-restore-counted-again",
        "An event that is published again after a restore is not counted once more.",
        RESTORING,
        "    tx.insert(INBOX, *(InboxRow(_id=inbox.row_id(Group.COUNTERS, each), at=clock.now())"
        " for each in counted))\n",
        "",
        (f"{RESTORE}::test_events_that_a_broker_had_taken_over_are_notified_by_the_next_one",),
    ),
)
