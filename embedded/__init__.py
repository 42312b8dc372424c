"""The whole system in one process, without servers to install; it imports all three processes."""
