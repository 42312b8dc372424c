"""`python -m social.infra.process.healthy PORT [NAME] [--alive]` exits with 0 if the process on that port is ready.

Where the variable NAME, or else PORT, names another port, the process is there. With `--alive` it need not be ready:
for engines that replace a container whose check fails, because a process that waits for a server must be left alone.
"""

import http.client
import os
import sys

TIMEOUT_S = 4.0  # less than the timeout of a container's health check


def why_not(port: int, page: str = "readyz") -> str | None:
    """Return why the process is not ready (by the page `livez`: not alive), in one line, or None when it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{page}")
        answer = connection.getresponse()
        says = answer.read(2_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"port {port}: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == 200 else says


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--alive"]
    if len(words) not in (1, 2) or not words[0].isdecimal():
        sys.exit("usage: python -m social.infra.process.healthy PORT [NAME] [--alive]")
    port, *names = words
    named = [os.environ[name] for name in (*names, *(["PORT"] if names else [])) if os.environ.get(name)]
    sys.exit(why_not(int(next(iter(named), port)), "livez" if "--alive" in sys.argv else "readyz"))
