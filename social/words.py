"""The words a post is found by: indexed with it, alike however they are written."""

from social import names

MOST_WORDS = 100  # of a post; a search finds it by the first ones


def of(text: str) -> list[str]:
    """The words of a text, each once."""
    return names.words(text, MOST_WORDS)
