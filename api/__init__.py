"""REST on aiohttp: decode, authorise, call one verb, encode."""
