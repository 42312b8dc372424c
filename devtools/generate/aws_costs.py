"""deploy/aws/costs.md: what a month of each size costs, as arithmetic over a list of public prices."""

from collections.abc import Iterator
from typing import NamedTuple

from devtools.generate.aws import SIZES
from social.contracts.events import Group
from social.infra.broker.sqs_client import POLL_S
from social.infra.broker.sqs_deliveries import MEASURE_EVERY_S
from social.infra.settings import PARTITIONS

HOURS = 730  # in a month
QUEUES = len(Group) * PARTITIONS
FREE_SQS = 1.0  # million requests
FREE_OUT_GB = 100
SECRETS = 8
IMAGES_GB = 5
CONNECTIONS_AN_LCU = 3_000


class Price(NamedTuple):
    """A price in US dollars, of the region us-east-1, and the page that has it."""

    usd: float
    unit: str
    page: str


FARGATE = "https://aws.amazon.com/fargate/pricing/"
CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
VPC = "https://aws.amazon.com/vpc/pricing/"
BALANCING = "https://aws.amazon.com/elasticloadbalancing/pricing/"
ELASTICACHE = "https://aws.amazon.com/elasticache/pricing/"
ATLAS = "https://www.mongodb.com/pricing"

PRICES = {
    "vCPU, x86-64": Price(0.04048, "hour", FARGATE),
    "GB of memory, x86-64": Price(0.004445, "hour", FARGATE),
    "vCPU, ARM64": Price(0.03238, "hour", FARGATE),
    "GB of memory, ARM64": Price(0.00356, "hour", FARGATE),
    "load balancer": Price(0.0225, "hour", BALANCING),
    "LCU": Price(0.008, "hour", BALANCING),
    "NAT gateway": Price(0.045, "hour", VPC),
    "through a NAT gateway": Price(0.045, "GB", VPC),
    "public IPv4 address": Price(0.005, "hour", VPC),
    "SQS": Price(0.40, "million requests", "https://aws.amazon.com/sqs/pricing/"),
    "cache.t4g.small": Price(0.032, "hour", ELASTICACHE),
    "cache.m7g.large": Price(0.158, "hour", ELASTICACHE),
    "S3": Price(0.023, "GB", "https://aws.amazon.com/s3/pricing/"),
    "secret": Price(0.40, "month", "https://aws.amazon.com/secrets-manager/pricing/"),
    "alarm, for each metric": Price(0.10, "month", CLOUDWATCH),
    "logs": Price(0.53, "GB", CLOUDWATCH),
    "hosted zone": Price(0.50, "month", "https://aws.amazon.com/route53/pricing/"),
    "images": Price(0.10, "GB", "https://aws.amazon.com/ecr/pricing/"),
    "to the internet": Price(0.09, "GB", "https://aws.amazon.com/ec2/pricing/on-demand/"),
    "Atlas M10": Price(0.08, "hour", ATLAS),
    "Atlas M30": Price(0.54, "hour", ATLAS),
    "Atlas M50": Price(2.00, "hour", ATLAS),
}


class Use(NamedTuple):
    """The assumptions about a size: its servers, and its people in a month."""

    sockets: int
    million_events: int
    requests: float  # to SQS, for each event
    out_gb: int
    nat_gb: int
    pictures_gb: int
    logs_gb: int
    nats: int
    redis: str
    redis_nodes: int
    atlas: str


USES = {
    "small": Use(1_000, 5, 6.5, 50, 50, 20, 5, 1, "cache.t4g.small", 1, "Atlas M10"),
    "medium": Use(10_000, 50, 5.5, 500, 500, 200, 50, 2, "cache.t4g.small", 2, "Atlas M30"),
    "large": Use(100_000, 500, 2, 5_000, 5_000, 2_000, 500, 2, "cache.m7g.large", 2, "Atlas M50"),
}


def usd(name: str, amount: float = 1) -> float:
    """Return what this amount costs in a month; prices by the hour are for all of it."""
    price = PRICES[name]
    return price.usd * amount * (HOURS if price.unit == "hour" else 1)


def items(size: str) -> Iterator[tuple[str, str, float]]:
    """Yield what a size costs: the item, how it is counted, and US dollars a month."""
    use, tasks = USES[size], SIZES[size].values()
    cores, memory = (sum(each[n] * each.least for each in tasks) / 1024 for n in (0, 1))
    fargate = usd("vCPU, x86-64", cores) + usd("GB of memory, x86-64", memory)
    yield "Fargate", f"{cores:g} vCPU, {memory:g} GB", fargate
    lcus = max(1.0, use.sockets / CONNECTIONS_AN_LCU)
    yield "load balancer", f"1 and {lcus:.1f} LCU", usd("load balancer") + usd("LCU", lcus)
    nat = usd("NAT gateway", use.nats) + usd("through a NAT gateway", use.nat_gb)
    yield "NAT gateways", f"{use.nats} and {use.nat_gb:,} GB", nat
    yield "public addresses", f"{2 + use.nats}", usd("public IPv4 address", 2 + use.nats)
    requests = use.million_events * use.requests + idle()
    yield "SQS", f"{requests:.1f} million requests", usd("SQS", max(0.0, requests - FREE_SQS))
    yield "Redis", f"{use.redis_nodes} × {use.redis}", usd(use.redis, use.redis_nodes)
    yield "pictures", f"{use.pictures_gb:,} GB", usd("S3", use.pictures_gb)
    yield "secrets", f"{SECRETS}", usd("secret", SECRETS)
    yield "alarms", f"{alarm_metrics()} metrics", usd("alarm, for each metric", alarm_metrics())
    yield "logs", f"{use.logs_gb:,} GB", usd("logs", use.logs_gb)
    yield "names and images", f"1 zone, {IMAGES_GB} GB", usd("hosted zone") + usd("images", IMAGES_GB)
    out = max(0, use.out_gb - FREE_OUT_GB)
    yield "to the internet", f"{use.out_gb:,} GB", usd("to the internet", out)
    yield "MongoDB", use.atlas, usd(use.atlas)


def idle() -> float:
    """Return the million requests in a month about queues that nothing comes to."""
    return QUEUES * HOURS * 3600 * (1 / POLL_S + 1 / MEASURE_EVERY_S) / 1e6


def alarm_metrics() -> int:
    """Return the metrics of all alarms: ours, and two for each scaling policy, which CloudWatch makes."""
    ours, by_cpu_or_memory = QUEUES + 2, 4
    return ours + 2 * by_cpu_or_memory + 2 * QUEUES


def saved(size: str) -> float:
    """Return what ARM64 saves."""
    tasks = SIZES[size].values()
    cores, memory = (sum(each[n] * each.least for each in tasks) / 1024 for n in (0, 1))
    cpu = usd("vCPU, x86-64", cores) - usd("vCPU, ARM64", cores)
    return cpu + usd("GB of memory, x86-64", memory) - usd("GB of memory, ARM64", memory)


HEAD = f"""# What a month on AWS costs

`make docs` writes this page from the prices and counts of `devtools/generate/aws_costs.py`: change them there and write
it again. Prices are those that the pages below list for us-east-1, without tax, discounts or the free tier of the first
year; other regions cost up to a third more. Nobody has paid such a bill yet: the use of each size is assumed, not
measured. A size has as many tasks as it has at least; scaling adds to that. A month has {HOURS} hours.

"""


NOTES = f"""
SQS: the fewer events come, the fewer share a request. [Counted](../../loadtests/README.md) were 6.5 requests a like at
2 likes a second, 4.2 at 48, and 0.7 where batches are full; the sizes lie between. Each of {QUEUES} queues is asked
every {POLL_S} s where nothing comes, and measured every {MEASURE_EVERY_S:g} s; the first million is free.
Load balancer: {CONNECTIONS_AN_LCU:,} open connections are one LCU. To the internet: {FREE_OUT_GB} GB are free.
Logs: 0.50 to write and 0.03 to keep a GB. Not counted: traffic between zones (0.01 a GB each way), requests to S3, and
backups of Atlas."""


def page() -> str:
    """Return the content of costs.md."""
    return HEAD + "\n".join([*_assumed(), "", *_table(), "", *_prices()]) + "\n"


def _assumed() -> Iterator[str]:
    yield "| in a month | small | medium | large |\n|---|---|---|---|"
    rows = {
        "sockets at once": [f"{each.sockets:,}" for each in USES.values()],
        "million events (likes, comments, posts, follows)": [f"{each.million_events:,}" for each in USES.values()],
        "requests to SQS for each": [f"{each.requests:g}" for each in USES.values()],
    }
    for service in SIZES["small"]:
        counts = [tasks[service] for tasks in SIZES.values()]
        rows[f"tasks of {service}"] = [f"{t.least} × {t.cpu / 1024:g} vCPU, {t.memory / 1024:g} GB" for t in counts]
    yield from (f"| {name} | {' | '.join(values)} |" for name, values in rows.items())


def _table() -> Iterator[str]:
    yield "| US dollars a month | small | medium | large |\n|---|---|---|---|"
    columns = [list(items(size)) for size in USES]
    for row in zip(*columns, strict=True):
        cells = [f"{cost:,.2f} ({counted})" for _, counted, cost in row]
        yield f"| {row[0][0]} | {' | '.join(cells)} |"
    totals = [sum(cost for _, _, cost in column) for column in columns]
    yield f"| **together** | {' | '.join(f'**{total:,.0f}**' for total in totals)} |"
    arm = [total - saved(size) for size, total in zip(USES, totals, strict=True)]
    yield f"| together, `Architecture=ARM64` | {' | '.join(f'{total:,.0f}' for total in arm)} |"


def _prices() -> Iterator[str]:
    yield "| price | US dollars | each |\n|---|---|---|"
    yield from (f"| [{name}]({each.page}) | {each.usd:g} | {each.unit} |" for name, each in PRICES.items())
    yield NOTES
