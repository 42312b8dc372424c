"""Rate limits on every route: the person or address that is counted, the headers that show it, and the 429."""

from aiohttp import web

from api.proxies import client_ip
from api.routing import Route
from api.settings import RestSettings
from social.contracts.problems import RateLimited
from social.infra.observe import metrics
from social.infra.redis.limits import Decision, Limiter, Rate, origin
from social.infra.redis.redis import Redis

LIMITER = web.AppKey("limiter", Limiter)
RATES = web.AppKey("rates", dict[str, Rate])
DECISIONS = web.RequestKey("rate_limit_decisions", list[Decision])


def add(app: web.Application, redis: Redis, settings: RestSettings) -> None:
    """Set the rate of each policy: `user` and `ip` hold for every route, the others where a route names them.

    `picture` takes the place of `ip` where a URL is signed and needs no token, because a page shows many pictures, and
    `public` where anybody may read, so that readers leave logins from their address possible.
    """
    limiter = app[LIMITER] = Limiter(redis)
    app[RATES] = {
        "user": settings.rate_user,
        "ip": settings.rate_ip,
        "login": settings.rate_login,
        "register": settings.rate_register,
        "reset": settings.rate_reset,
        "upload": settings.rate_upload,
        "picture": settings.rate_picture,
        "public": settings.rate_public,
    }

    async def close(_app: web.Application) -> None:
        await limiter.close()

    app.on_cleanup.append(close)


async def admit(raw: web.Request, route: Route, user_id: str | None) -> None:
    """Count a request: with a token for its person, without one for its address; raises RateLimited.

    People with a token do not share the quota of their address: half a town may have one address.
    """
    limiter, allowed = raw.app[LIMITER], raw.app[RATES]
    policy = "user" if user_id else "picture" if route.signed else "public" if route.public else "ip"
    who = user_id or origin(client_ip(raw))
    decisions = raw[DECISIONS] = [limiter.take(policy, who, allowed[policy])]
    if route.limit and decisions[0].allowed:
        decisions.append(await limiter.take_exactly(route.limit, who, allowed[route.limit]))
    if not decisions[-1].allowed:
        metrics.HTTP_RATE_LIMITED.labels(policy=decisions[-1].policy).inc()
        raise RateLimited(retry_after_s=decisions[-1].retry_after_s)


def add_headers(raw: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that show how much of each limit is left (draft-ietf-httpapi-ratelimit-headers-10)."""
    decisions = raw.get(DECISIONS)
    if decisions:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{each.policy}";q={each.rate.quota};w={each.rate.window_s}' for each in decisions
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{each.policy}";r={each.remaining};t={each.reset_s}' for each in decisions
        )
