"""The reference page at `/`: the files of web/app and web/client, under a policy that keeps them to this site."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from api.proxies import PROXIES
from api.static import FOREVER_S, HTML, Static
from social.contracts.codec import base64url, decode, encode
from social.contracts.problems import NotFound

WEB = Path(__file__).parents[1] / "web"
PATHS = ("/", "/verify-email", "/reset-password")  # mails link to the last two
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

# Scripts come from here or carry the hash of the import map; no string becomes markup or script (trusted types).
POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'{gateway}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Page:
    """The files of the page by their path below `/app/<release>/`, where the release is a hash of all of them."""

    release: str
    files: Mapping[str, Static]
    template: str
    policy_digest: str

    def index(self, gateway_port: int | None, host: str) -> Static:
        """Return the page, whose sockets go to `gateway_port` of the host, or to the page's own port."""
        named = _HOST.fullmatch(host)
        gateway = ""
        if gateway_port is not None and named is not None:
            gateway = "".join(f" {scheme}://{named['name']}:{gateway_port}" for scheme in ("http", "ws"))
        html = self.template.replace("@GATEWAY_PORT@", str(gateway_port) if gateway else "")
        return Static(html.encode(), HTML, policy=POLICY.format(digest=self.policy_digest, gateway=gateway))


def load(folder: Path = WEB) -> Page:
    """Read the files of the page."""
    app, client = folder / "app", folder / "client" / "src"
    found = {path.relative_to(app).as_posix(): path for path in app.rglob("*")}
    found |= {f"client/{path.relative_to(client).as_posix()}": path for path in client.rglob("*.js")}
    bodies = {name: path.read_bytes() for name, path in sorted(found.items()) if path.suffix in KINDS}
    every = hashlib.blake2b(encode({name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}))
    release = base64url(every.digest()[:9])
    base = f"./app/{release}/"
    vendored: dict[str, str] = decode((app / "vendor" / "packages.json").read_bytes())
    imports = {name: f"{base}vendor/{file}" for name, file in vendored.items()}
    import_map = encode({"imports": imports | {"plaza-client": f"{base}client/index.js"}}).decode()
    template = (app / "index.html").read_text()
    preloads = "".join(f'<link rel="modulepreload" href="{base}{name}">\n' for name in bodies if name.endswith(".js"))
    for name, value in {"BASE": base, "IMPORT_MAP": import_map, "PRELOADS": preloads}.items():
        template = template.replace(f"@{name}@", value)
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    files = {name: Static(body, KINDS[Path(name).suffix], FOREVER_S) for name, body in bodies.items()}
    return Page(release, files, template, digest)


def add_page(app: web.Application, realtime_port: Callable[[], int | None]) -> None:
    """Serve the page; where no trusted proxy is in front, its sockets go to `realtime_port` (None: to its own port)."""
    loading: asyncio.Future[Page] | None = None

    async def page() -> Page:
        nonlocal loading
        if loading is None or (loading.done() and (loading.cancelled() or loading.exception())):
            loading = asyncio.ensure_future(asyncio.to_thread(load))
        return await asyncio.shield(loading)

    async def index(request: web.Request) -> web.Response:
        behind = request.app[PROXIES].trusts(request.remote or "")  # which leads sockets to the gateways itself
        return (await page()).index(None if behind else realtime_port(), request.host).answer(request)

    async def file(request: web.Request) -> web.Response:
        loaded = await page()
        found = loaded.files.get(request.match_info["name"])
        if found is None:
            raise NotFound
        # While releases change, a page may ask for files of another one: those of this one may do, but are not kept.
        return found.answer(request, age_s=FOREVER_S if request.match_info["release"] == loaded.release else 0)

    handlers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = dict.fromkeys(PATHS, index)
    handlers["/app/{release}/{name:.+}"] = file
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
