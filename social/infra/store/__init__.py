"""The document store: reads that share round trips, writes that share commits, and the safeguards around them."""
