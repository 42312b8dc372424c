"""Free ports, for servers that must come back on their port."""

from devtools.cluster.ports import free_ports, is_free, listens

__all__ = ["free_ports", "is_free", "listens"]
