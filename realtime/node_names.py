"""The name of a gateway after its address, where an orchestrator gives containers addresses and no lasting names."""

import socket

BY_ADDRESS = "ip"
ELSEWHERE = ("192.0.2.1", 9)  # reserved for documentation: nothing is sent, and the default route is asked for


def named_by_address() -> str:
    """Return `ip-10-0-2-7` for the IPv4 address of the default route; raises ValueError where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError as error:
            raise ValueError(f"this machine has no IPv4 address to be named by: {error.strerror}") from None
        address: str = probe.getsockname()[0]
    return f"ip-{address.replace('.', '-')}"
