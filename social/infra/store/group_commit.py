"""Group commit: the transactions of many verbs are written in one store transaction.

Transactions that arrive while commits are in flight are committed together next, so the more there are the less each
costs. A single transaction waits for nothing. Where one is refused (a unique index, a condition that does not hold),
only its verb runs anew; the others of its group are committed again at once.
"""

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import PyMongoError

from social.contracts.problems import Unavailable
from social.infra.observe import metrics
from social.infra.store import store_transaction
from social.infra.store.errors import conflicts, may_succeed_apart, transient, translate_errors
from social.infra.store.store_transaction import GUARDED, Command, Rejected
from social.infra.store.transaction import Kind, Transaction, Write

# Store transactions of a process at once. With two the groups are half as large: a like at 4 at once cost 50 % more
# processor time, here and in the store, on either embedded store, and none was answered sooner.
IN_FLIGHT = 1
MOST_TOGETHER = 64  # transactions of a group
MOST_WRITES = 600  # of a group; a worker's batch may have more, and is committed alone then
MOST_BYTES = 4 << 20
MOST_WAITING = 2_000  # transactions: more are refused at once
TRIES = 4  # attempts of a group while the store fails


class Conflict(Exception):
    """A refused transaction: its verb runs anew. `on` as in `Transaction.conflict`."""

    def __init__(self, on: str) -> None:
        super().__init__(on)
        self.on = on


@dataclass(eq=False, slots=True)
class Unit:
    """A transaction in the queue, and the future of its caller."""

    writes: list[Write]
    done: "asyncio.Future[None]"
    alone: bool  # committed alone, after it was refused repeatedly
    until: float  # the deadline of its caller, by the loop's clock
    sent: bool = False
    keys: list[tuple[str, str]] = field(init=False)
    size: int = field(init=False)
    guarded: bool = field(init=False)  # by a condition
    behind: list["asyncio.Future[None]"] = field(default_factory=list)  # transactions that write the same documents

    def __post_init__(self) -> None:
        self.keys = [(each.collection, each.key) for each in self.writes if each.key is not None]
        self.size = sum(each.size for each in self.writes)
        self.guarded = any(each.kind in GUARDED for each in self.writes)

    def settle(self, error: Exception | None = None) -> None:
        """Complete the caller's future, unless the caller has gone."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class _Refused(Exception):
    """The refused transactions of a group."""

    def __init__(self, units: Sequence[Unit], on: str) -> None:
        super().__init__(on)
        self.units, self.on = list(units), on


class GroupCommit:
    """The group commits of a process."""

    def __init__(self, client: Any, database: Any) -> None:
        self._client, self._database = client, database
        self._waiting: list[Unit] = []
        self._held: dict[tuple[str, str], Unit] = {}  # the unit that is about to write a document
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="commit")

    async def commit(self, tx: Transaction, *, alone: bool = False, timeout_s: float = 5.0) -> None:
        """Write a transaction, together with those that arrive now; returns when it is durable.

        Raises Conflict where it was refused, Unavailable where the store is away or too many transactions wait.
        """
        loop = asyncio.get_running_loop()
        unit = Unit(tx.all_writes(), loop.create_future(), alone, loop.time() + timeout_s)
        blocker = next((held for key in unit.keys if (held := self._held.get(key))), None)
        if blocker is not None:  # it writes what this one has read: wait for it, then check again
            ended = loop.create_future()
            blocker.behind.append(ended)
            await ended
            raise Conflict("")
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("Too many writes wait for the store; try again later")
        self._held.update(dict.fromkeys(unit.keys, unit))
        self._waiting.append(unit)
        self._start()
        try:
            await unit.done
        finally:
            if not unit.sent:  # given up before it was sent
                self._waiting.remove(unit)
                self._release(unit)

    async def finish(self, timeout_s: float) -> None:
        """Wait for commits under way: the store would hold an open transaction until its own deadline."""
        until = asyncio.get_running_loop().time() + timeout_s
        while self._tasks and (rest_s := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=rest_s)

    def _start(self) -> None:
        while self._waiting and len(self._tasks) < IN_FLIGHT:
            group = self._next()
            # In its own context: the deadline and the trace of one transaction are not those of the others.
            run = self._run(group)
            task = asyncio.get_running_loop().create_task(run, name="group commit", context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _next(self) -> list[Unit]:
        """Return the next transactions to be written together, in the order of their arrival."""
        group: list[Unit] = []
        writes = size = 0
        for unit in self._waiting:
            writes, size = writes + len(unit.writes), size + unit.size
            over = len(group) == MOST_TOGETHER or writes > MOST_WRITES or size > MOST_BYTES
            if group and (over or unit.alone):
                break
            unit.sent = True
            group.append(unit)
            if unit.alone:
                break
        del self._waiting[: len(group)]
        return group

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._start()

    def _release(self, unit: Unit) -> None:
        for key in unit.keys:
            if self._held.get(key) is unit:
                del self._held[key]
        for ended in unit.behind:
            if not ended.done():
                ended.set_result(None)
        unit.behind.clear()

    async def _run(self, group: list[Unit]) -> None:
        metrics.COMMIT_GROUP.observe(len(group))
        try:
            await self._settle(group)
        finally:
            for unit in group:
                self._release(unit)
                unit.done.cancel()

    async def _settle(self, group: list[Unit]) -> None:
        """Commit a group without its transactions that are refused."""
        tries, committed = 0, False
        while group and not committed:
            group = self._wanted(group)
            if not group:
                return None
            try:
                await self._attempt(group)
                committed = True
            except _Refused as refused:
                group = await self._without(group, refused)
            except Exception as error:
                cause = error.__cause__ if isinstance(error, Unavailable) else error
                if len(group) > 1 and (
                    conflicts(cause) or may_succeed_apart(cause) or not isinstance(error, Unavailable)
                ):
                    return await self._apart(group)
                tries += 1
                if tries == TRIES or not transient(cause):
                    return self._answer(group, Conflict("") if conflicts(cause) else error)
                await asyncio.sleep(random.uniform(0, 0.002 * 2**tries))  # noqa: S311 - jitter
        return self._answer(group)

    def _wanted(self, group: list[Unit]) -> list[Unit]:
        """Return the transactions whose callers still wait: abandoned ones are not started again."""
        for unit in group:
            if unit.done.done():
                self._release(unit)
        return [unit for unit in group if not unit.done.done()]

    async def _apart(self, group: list[Unit]) -> None:
        """Commit the halves of a group separately: one of them has the transaction at fault."""
        half = len(group) // 2
        await self._settle(group[:half])
        await self._settle(group[half:])

    async def _without(self, group: list[Unit], refused: "_Refused") -> list[Unit]:
        """Refuse these transactions, whose verbs run anew; return the rest of the group.

        Transactions that would be refused next are found now, so that none waits for more than one commit of others.
        """
        at_fault = set(refused.units)
        if len(group) > 2:
            at_fault |= {unit for unit in group if unit.guarded} | await self._taken(group)
        self._answer(refused.units, Conflict(refused.on))
        self._answer([unit for unit in at_fault if not unit.done.done()], Conflict(""))
        return [unit for unit in group if unit not in at_fault]

    async def _taken(self, group: Sequence[Unit]) -> set[Unit]:
        """Return the transactions that would insert a document that exists."""
        inserts: dict[str, dict[str, Unit]] = {}
        for unit in group:
            for write in unit.writes:
                if write.kind == "insert" and write.key is not None:
                    inserts.setdefault(write.collection, {})[write.key] = unit
        found: set[Unit] = set()
        with contextlib.suppress(PyMongoError):  # then each is refused at its own commit
            for collection, by_id in inserts.items():
                cursor = self._database[collection].find({"_id": {"$in": list(by_id)}}, {"_id": 1})
                found |= {by_id[row["_id"]] for row in await cursor.to_list(None)}
        return found

    def _answer(self, units: Sequence[Unit], error: Exception | None = None) -> None:
        for unit in units:
            self._release(unit)
            unit.settle(error)

    async def _attempt(self, group: Sequence[Unit]) -> None:
        """Write a group in one store transaction; raises _Refused, Unavailable, and errors of the driver."""
        loop, steps = asyncio.get_running_loop(), _steps(group)
        within_s = max(unit.until for unit in group) - loop.time()
        if within_s <= 0:
            raise Unavailable
        commands = [
            Command(each.kind, each.collection, [write.statement for _, write in each.writes]) for each in steps
        ]
        try:
            async with translate_errors():
                await loop.run_in_executor(self._thread, self._run_in_store, commands, within_s)
        except Rejected as rejected:
            writes = steps[rejected.command].writes
            at_fault = writes if rejected.at is None else [writes[rejected.at]]
            raise _Refused([unit for unit, _ in at_fault], rejected.on) from None

    def _run_in_store(self, commands: Sequence[Command], within_s: float) -> None:
        store_transaction.run(self._client.delegate, self._database.delegate, commands, within_s)


@dataclass(slots=True)
class _Step:
    """Writes of a kind to a collection, which are sent in one command."""

    kind: Kind
    collection: str
    writes: list[tuple[Unit, Write]]


def _steps(group: Sequence[Unit]) -> list[_Step]:
    """Return the commands of a group; within each transaction, writes to a collection stay in their order."""
    steps: dict[tuple[str, int, str], _Step] = {}
    order: dict[str, int] = {}
    for unit in group:
        runs: dict[str, tuple[int, str]] = {}
        for write in unit.writes:
            run, kind = runs.get(write.collection, (-1, ""))
            if kind != write.kind:
                run, kind = runs[write.collection] = run + 1, write.kind
            order.setdefault(write.collection, len(order))
            step = steps.setdefault((write.collection, run, kind), _Step(kind, write.collection, []))
            step.writes.append((unit, write))
    return [steps[key] for key in sorted(steps, key=lambda key: (order[key[0]], key[1]))]
