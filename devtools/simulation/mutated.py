"""The product without one of its safety lines: the functions of a module are exchanged while a block runs.

A simulation that finds nothing shows little, unless it finds what is known to be wrong.
"""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def mutated(file: str, text: str, replacement: str) -> Iterator[None]:
    """Run a module with `replacement` in place of `text`, which it has once, within functions; raises ValueError."""
    source = (ROOT / file).read_text()
    if source.count(text) != 1:
        raise ValueError(f"{file} has the text {source.count(text)} times, and must have it once")
    before, after = (_functions(compile(each, file, "exec")) for each in (source, source.replace(text, replacement)))
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    changed = [name for name, code in after.items() if name in before and not _equal(before[name], code)]
    if not changed:
        raise ValueError(f"{file}: no function has the text")
    functions = {name: _function(module, name) for name in changed}
    kept = {name: function.__code__ for name, function in functions.items()}
    try:
        for name, function in functions.items():
            function.__code__ = after[name]
        yield
    finally:
        for name, code in kept.items():
            functions[name].__code__ = code


def _functions(code: CodeType) -> dict[str, CodeType]:
    """Return the code of the functions and methods of a module, by qualified name; inner functions are part of it."""
    found: dict[str, CodeType] = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if each.co_flags & 0x01:  # its variables are optimized: a function
                found[each.co_qualname] = each
            else:
                found |= _functions(each)
    return found


def _equal(one: CodeType, other: CodeType) -> bool:
    """Return whether two pieces of code do the same, on whatever lines they are."""

    def facts(code: CodeType) -> list[Any]:
        consts = [facts(each) if isinstance(each, CodeType) else each for each in code.co_consts]
        return [code.co_code, code.co_names, code.co_varnames, consts]

    return facts(one) == facts(other)


def _function(module: Any, qualified: str) -> FunctionType:
    found = module
    for name in qualified.split("."):
        found = vars(found)[name] if isinstance(found, type) else getattr(found, name)
    if isinstance(found, property):
        found = found.fget
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    found = getattr(found, "__func__", found)
    assert isinstance(found, FunctionType)
    return found
