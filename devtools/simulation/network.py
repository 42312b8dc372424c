"""The network: each message takes a while, drawn from the seed, and may be lost."""

import random
from collections.abc import Callable
from typing import Any, TypeVar

from devtools.simulation.loop import Process, SimulatedLoop

T = TypeVar("T")

FASTEST_S, USUAL_S, SLOWEST_S = 0.000_1, 0.001, 0.03
SLOW_ONE_IN = 40


class Lost(Exception):
    """A message that did not arrive, or whose answer did not."""


class Network:
    """The ways between processes and servers: how long messages take on them is drawn from the seed."""

    def __init__(self, loop: SimulatedLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance

    def latency(self) -> float:
        """Return how long a message takes: mostly about a millisecond, now and then much longer."""
        if self.chance.randrange(SLOW_ONE_IN):
            return FASTEST_S + self.chance.random() * USUAL_S
        return self.chance.random() * SLOWEST_S


class Server:
    """A server that processes ask, with the faults of the ways to it."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.loop = network.loop
        self.process = Process(name, -1)
        self.away = False
        self.loses_question = 0.0  # probability
        self.loses_answer = 0.0

    async def ask(self, work: Callable[[], T]) -> T:
        """Do work at the server and return its result; raises Lost, and what the work raises."""
        done = self.loop.create_future()

        def set_result(outcome: tuple[BaseException | None, Any]) -> None:
            if done.done():
                return
            error, result = outcome
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)

        self._send(work, set_result)
        result: T = await done
        return result

    def ask_blocking(self, work: Callable[[], T]) -> T:
        """Do work at the server, for a function that blocks; raises as `ask` does."""
        error, result = self.loop.wait(lambda answer: self._send(work, answer))
        if error is not None:
            raise error
        answered: T = result
        return answered

    def _send(self, work: Callable[[], Any], answer: Callable[[Any], object]) -> None:
        loop, asker, chance = self.loop, self.loop.process, self.network.chance
        there, back = self.network.latency(), self.network.latency()
        if self.away or chance.random() < self.loses_question:
            loop.call_in(asker, there + back, answer, (Lost("no connection"), None))
            return
        loses_answer = chance.random() < self.loses_answer

        def arrive() -> None:
            error: BaseException | None = None
            result = None
            if self.away:
                error = Lost("the connection ended")
            else:
                try:
                    result = work()
                except Again:
                    loop.call_in(self.process, Again.AFTER_S, arrive)
                    return
                except Exception as raised:
                    error = raised
                if loses_answer:
                    error = Lost("the connection ended before the answer")
            loop.call_in(asker, back, answer, (error, result))

        loop.call_in(self.process, there, arrive)


class Again(Exception):
    """The wish of a server to look at a message again a little later."""

    AFTER_S = 0.005
