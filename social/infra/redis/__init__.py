"""Redis: pushes to the gateways, rate limits, delays after failures and the invalidation of cached people."""
