"""Rate limits on every route: who is counted, what is told of it, and the 429."""

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
VERDICTS = web.RequestKey("verdicts", list[Decision])


def add(app: web.Application, redis: Redis, settings: RestSettings) -> None:
    """Each policy's rate: `user` and `ip` hold for every route, the others where a route names them.

    `picture` takes the place of `ip` where a signature in the URL does instead of a token: a page shows many.
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
    }

    async def close(_app: web.Application) -> None:
        await limiter.close()

    app.on_cleanup.append(close)


async def admit(raw: web.Request, route: Route, user_id: str | None) -> None:
    """Count a request, a person's as theirs and everybody else's by address; raises RateLimited.

    People with an account do not share their address' quota: half a town may have one address.
    """
    limiter, allowed = raw.app[LIMITER], raw.app[RATES]
    policy, who = ("user", user_id) if user_id else ("picture" if route.signed else "ip", origin(client_ip(raw)))
    verdicts = raw[VERDICTS] = [limiter.take(policy, who, allowed[policy])]
    if route.limit and verdicts[0].allowed:
        verdicts.append(await limiter.take_exactly(route.limit, who, allowed[route.limit]))
    if not verdicts[-1].allowed:
        metrics.RATE_LIMITED.labels(policy=verdicts[-1].policy).inc()
        raise RateLimited(retry_after_s=verdicts[-1].retry_after_s)


def tell(raw: web.Request, response: web.StreamResponse) -> None:
    """What is left of each limit (draft-ietf-httpapi-ratelimit-headers-10)."""
    verdicts = raw.get(VERDICTS)
    if verdicts:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{each.policy}";q={each.rate.quota};w={each.rate.window_s}' for each in verdicts
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{each.policy}";r={each.remaining};t={each.reset_s}' for each in verdicts
        )
