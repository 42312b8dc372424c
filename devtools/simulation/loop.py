"""The event loop of a simulation: time is virtual, and a seed decides which process runs its next step.

Each simulated process has a queue of its own for what is ready. Within a process callbacks run in the order in which
they became ready, as asyncio promises; which process goes next is drawn from the seed. Where nothing is ready the clock
jumps to the next timer. A process that has ended runs no step more: its tasks stay where they are.
"""

import asyncio
import contextlib
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context, copy_context
from typing import Any, NoReturn, TypeVar, TypeVarTuple

import greenlet

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEP_S = 5e-6  # that each step takes
STEPS_AT_ONCE = 64  # between two looks of the loop whether it is to stop, beside those after each step
HOP_S = 20e-6  # between a thread and the loop, at most
MOST_CPU_S = 10.0  # of a run, which usually takes a quarter of a second


class Stuck(Exception):
    """A simulation in which everything waits, and for no timer, or which takes far more steps than any other."""


class Broken(Exception):
    """A simulation that went out into the real world: nothing that it would find says anything about the product."""


class Process:
    """A process of the simulation, from its start to its end; `dies_at` and `sleeps_at` are numbers of its steps."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number  # of all processes: the order in which they started
        self.alive = True
        self.steps = 0
        self.dies_at = 0
        self.sleeps_at: tuple[int, float] = (0, 0.0)  # a step, and for how long it stands still then
        self.asleep = False
        self.ready: deque[Step] = deque()

    def __repr__(self) -> str:
        return self.name


class Step(asyncio.TimerHandle):
    """A callback of a process."""

    __slots__ = ("process",)

    def __init__(
        self, when: float, call: tuple[Any, Any], loop: "SimulatedLoop", context: Context | None, process: Process
    ) -> None:
        # As the classes above do it, but without what only a loop that is debugged needs: millions are made a minute.
        self._when, (self._callback, self._args), self._loop = when, call, loop
        self._context = copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self._source_traceback = self._repr = None
        self.process = process


class SimulatedTask(asyncio.Task[Any]):
    """A task with the process that it belongs to, and a hash that does not depend on its address."""

    def __init__(self, work: Any, *, loop: "SimulatedLoop", **more: Any) -> None:
        loop.tasks += 1
        self.number, self.process = loop.tasks, loop.process  # before asyncio puts it into a set
        super().__init__(work, loop=loop, **more)

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop on a virtual clock, whose next step is drawn from `chance`."""

    def __init__(self, chance: random.Random, most_steps: int) -> None:
        super().__init__()
        self.world = Process("world", 0)
        self.process = self.world  # whose step runs
        self.tasks = 0
        self.steps = 0
        self.digest = 0
        self.ended: Callable[[Process], None] = lambda process: None  # called when a process comes to `dies_at`
        self.slept: Callable[[Process, float], None] = lambda process, seconds: None  # called as one stands still
        self._broken = ""
        self._until_cpu_s = time.process_time() + MOST_CPU_S
        self._chance = chance
        self._most_steps = most_steps
        self._now = 0.0
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Step]] = []
        self._order = 0
        self._jobs: list[greenlet.greenlet] = []
        self._graves: list[Any] = []  # of ended processes: what is dropped would run its `finally` blocks
        self.set_task_factory(self._task)

    def time(self) -> float:
        return self._now

    # What asyncio calls

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Step:
        return self._add(Step(self._now, (callback, args), self, context, self.process))

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Step:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Step:
        return self._set(Step(when, (callback, args), self, context, self.process))

    def run_in_executor(
        self, executor: Executor | None, function: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run a function that blocks: it waits by `wait`, and the loop goes on meanwhile."""
        done = self.create_future()

        def finish(set_it: Callable[[Any], None], value: Any) -> None:
            if not done.done():
                set_it(value)

        def job() -> None:
            try:
                result = function(*args)
            except Exception as error:
                self.call_later(self._hop(), finish, done.set_exception, error)
            else:
                self.call_later(self._hop(), finish, done.set_result, result)

        thread = greenlet.greenlet(job)
        self._jobs.append(thread)
        self.call_later(self._hop(), thread.switch)
        return done

    async def getaddrinfo(self, *asked: Any, **more: Any) -> NoReturn:
        """Refuse to look up a host, and end the run: the caller may take the error for a server that is away."""
        self._broken = f"{self.process} asks the real network for {asked[0]}: an edge of the product is not replaced"
        raise Broken(self._broken)

    async def create_connection(self, *asked: Any, host: Any = None, **more: Any) -> NoReturn:
        """Refuse a connection as `getaddrinfo` does."""
        await self.getaddrinfo(host or asked[1:])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    # What the simulation calls

    def call_in(self, process: Process, delay_s: float, callback: Callable[..., object], *args: Any) -> Step:
        """Call something in a process after a while, unless the process has ended by then."""
        return self._set(Step(self._now + delay_s, (callback, args), self, None, process))

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any], name: str) -> SimulatedTask:
        """Start a task in a process."""
        before, self.process = self.process, process
        try:
            return self.create_task(work, name=name)  # type: ignore[return-value]
        finally:
            self.process = before

    def wait(self, begin: Callable[[Callable[[Any], None]], object]) -> Any:
        """Wait within a function that blocks, until what `begin` was given is called; return its argument."""
        begin(greenlet.getcurrent().switch)
        return self._jobs_parent().switch()

    def sleep(self, seconds: float) -> None:
        """Wait within a function that blocks."""
        self.wait(lambda awake: self.call_later(seconds, awake, None))

    def end(self, process: Process) -> None:
        """End a process: none of its steps will run any more."""
        process.alive = False
        self._graves.append((self.tasks_of(process), process.ready))
        process.ready = deque()
        if process in self._runnable:
            self._runnable.remove(process)

    def tasks_of(self, process: Process) -> list[SimulatedTask]:
        """Return the tasks of a process that have not ended, in the order of their start."""
        found = [each for each in asyncio.all_tasks(self) if isinstance(each, SimulatedTask)]
        return sorted((each for each in found if each.process is process), key=lambda each: each.number)

    def put_to_sleep(self, process: Process, seconds: float) -> None:
        """Let a process stand still, as SIGSTOP does, while time passes."""
        if process.alive and not process.asleep:
            process.asleep = True
            if process in self._runnable:
                self._runnable.remove(process)
            self.call_in(self.world, seconds, self._wake, process)
            self.slept(process, seconds)

    def _wake(self, process: Process) -> None:
        process.asleep = False
        if process.alive and process.ready:
            self._runnable.append(process)

    def _task(self, _: asyncio.AbstractEventLoop, work: Any, **more: Any) -> SimulatedTask:
        return SimulatedTask(work, loop=self, **more)

    def _hop(self) -> float:
        return self._chance.random() * HOP_S

    @staticmethod
    def _jobs_parent() -> greenlet.greenlet:
        parent = greenlet.getcurrent().parent
        assert parent is not None, "the loop itself cannot wait"
        return parent

    def _add(self, step: Step) -> Step:
        process = step.process
        if process.alive:
            if not process.ready and not process.asleep:
                self._runnable.append(process)
            process.ready.append(step)
        return step

    def _set(self, step: Step) -> Step:
        self._order += 1
        heapq.heappush(self._timers, (step.when(), self._order, step))
        return step

    def _run_once(self) -> None:
        if time.process_time() > self._until_cpu_s:
            raise Broken(f"{MOST_CPU_S:.0f} s of a processor, {self.steps} steps, {self._now:.3f} s, and no end")
        for _ in range(STEPS_AT_ONCE):
            self._turn()
            if self._broken:
                raise Broken(self._broken)
            if self._stopping:  # type: ignore[attr-defined]
                return

    def _turn(self) -> None:
        timers = self._timers
        if not self._runnable:
            if not timers:
                raise Stuck("everything waits, and for no timer")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            step = heapq.heappop(timers)[2]
            if not step.cancelled():
                self._add(step)
        if self._runnable:
            self._run_step()

    def _run_step(self) -> None:
        process = self._runnable[int(self._chance.random() * len(self._runnable))]
        step = process.ready.popleft()
        if not process.ready:
            self._runnable.remove(process)
        if step.cancelled():
            return
        self._now += STEP_S
        self.steps += 1
        process.steps += 1
        self.digest = hash((self.digest, process.number, process.steps, self._now))
        if self.steps > self._most_steps:
            raise Stuck(f"{self.steps} steps, and no end")
        if process.steps == process.dies_at:
            self.ended(process)
            return
        self.process = process
        step._run()
        self.process = self.world
        if process.steps == process.sleeps_at[0]:
            self.put_to_sleep(process, process.sleeps_at[1])

    def close(self) -> None:
        """Drop all that waits; of it nothing but `finally` blocks runs any more, and nothing comes of these."""
        self._runnable.clear()
        self._timers.clear()
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(BaseException):
                task.get_coro().close()
        self._runnable.clear()
        self._timers.clear()
        self._graves.clear()
        self._jobs.clear()
        super().close()
