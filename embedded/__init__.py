"""The whole system in one process, with nothing to install; the only package above the three processes."""
