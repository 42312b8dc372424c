"""`python -m social.infra.process.healthy PORT` exits with 0 if the process on that port is ready: for containers."""

import http.client
import sys

TIMEOUT_S = 4.0  # less than the timeout of a container's health check


def why_not(port: int) -> str | None:
    """Return why the process is not ready, in one line, or None when it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        says = answer.read(2_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == 200 else says


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m social.infra.process.healthy PORT")
    sys.exit(why_not(int(sys.argv[1])))
