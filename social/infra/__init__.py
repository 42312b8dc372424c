"""What the domain stands on: documents, broker, Redis, clocks, keys, processes."""
