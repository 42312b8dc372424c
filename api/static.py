"""Answers from files and documents that do not change while a process runs: tags, compression, headers for browsers."""

from dataclasses import dataclass, field

from aiohttp import web

from api import compression, conditional

HTML = "text/html; charset=utf-8"
FOREVER_S = 31_536_000


@dataclass(frozen=True)
class Static:
    """The bytes of an answer, compressed at best once, and the headers that go with them."""

    body: bytes
    content_type: str
    age_s: int = 0
    policy: str | None = None
    packed: bytes = field(init=False)
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        """Compress and hash the body, which takes long enough to be done in a thread."""
        object.__setattr__(self, "packed", compression.pack(self.body, 9))
        object.__setattr__(self, "tag", conditional.entity_tag(self.body))

    def answer(self, request: web.Request, *, age_s: int | None = None) -> web.Response:
        """Return the answer for a request: 304 where the client has it, else the body as the client takes it."""
        age_s = self.age_s if age_s is None else age_s
        immutable = ", immutable" if age_s == FOREVER_S else ""
        headers = {
            "Cache-Control": f"public, max-age={age_s}{immutable}" if age_s else "no-cache",
            "X-Content-Type-Options": "nosniff",
            "ETag": self.tag,
            "Vary": "Accept-Encoding",
        }
        if self.policy:
            headers |= {"Content-Security-Policy": self.policy, "Referrer-Policy": "no-referrer"}
        if conditional.not_modified(request, self.tag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = self.content_type
        if not compression.accepts_gzip(request.headers.getall("Accept-Encoding", ())):
            return web.Response(body=self.body, headers=headers)
        response = web.Response(body=self.packed, headers=headers)
        compression.mark_packed(response)
        return response
