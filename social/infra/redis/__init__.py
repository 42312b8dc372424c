"""Redis: pushes to the gateways, rate limits, delayed work and the invalidation of cached people."""
