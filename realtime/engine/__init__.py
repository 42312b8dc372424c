"""The transport: an Engine.IO 4 server on native uWebSockets, or on aiohttp where the native library is missing."""

import logging

from realtime.engine.entrance import Page
from realtime.engine.protocol import Engine
from realtime.engine.session import Environ, Exchange, Handler, Options, Refused, Request, Work

__all__ = ["Engine", "Environ", "Exchange", "Handler", "Options", "Page", "Refused", "Request", "Work", "choose"]

log = logging.getLogger(__name__)


def choose(name: str | None = None) -> type[Engine]:
    """Return the engine class: native where it loads, unless `portable` is requested. Loads nothing native before."""
    if name == "portable":
        from realtime.engine.http import PortableEngine

        return PortableEngine
    if name not in (None, "native"):
        raise ValueError(f"REALTIME_ENGINE is {name!r}: it can be native or portable")
    try:
        from realtime.engine.uws import NativeEngine
    except (ImportError, OSError) as error:
        log.warning("the native engine does not load here (%s): using the portable one", error)
        return choose("portable")
    return NativeEngine
