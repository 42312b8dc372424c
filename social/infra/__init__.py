"""Technical foundations of the domain: document store, broker, Redis, clock, keys, files and processes."""
