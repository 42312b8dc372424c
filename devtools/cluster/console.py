"""The output of all parts on one screen: each line follows the name of its part, in a colour per part."""

from itertools import cycle

from rich import console
from rich.text import Text

WIDTH = 15
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


class Console:
    """The screen of the cluster; colours are shown only on a terminal."""

    def __init__(self) -> None:
        self._console = console.Console(highlight=False, soft_wrap=True)
        self._more = cycle(COLOURS)
        self._colours: dict[str, str] = {}

    def say(self, who: str, line: str) -> None:
        """Print a line of the part named `who`."""
        if who not in self._colours:
            self._colours[who] = next(self._more)
        self._console.print(Text.assemble((f"{who:<{WIDTH}} | ", self._colours[who]), line))

    def show(self, text: str) -> None:
        """Print a line of the cluster itself, in rich's markup."""
        self._console.print(text)
