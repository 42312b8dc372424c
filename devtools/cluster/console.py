"""What all parts say, on one screen: each line behind the name and in the colour of who said it."""

from itertools import cycle

from rich.console import Console
from rich.text import Text

WIDTH = 15
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


class Board:
    """A screen; colours only where it is a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._more = cycle(COLOURS)
        self._colours: dict[str, str] = {}

    def say(self, who: str, line: str) -> None:
        """One line of one part."""
        if who not in self._colours:
            self._colours[who] = next(self._more)
        self._console.print(Text.assemble((f"{who:<{WIDTH}} | ", self._colours[who]), line))

    def show(self, text: str) -> None:
        """A line for the person, with rich's markup."""
        self._console.print(text)
