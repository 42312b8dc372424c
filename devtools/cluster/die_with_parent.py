"""Run a program that dies with its parent: die_with_parent.py <one|group> <parent pid> <program> <arguments>.

`one` replaces this process by the program. `group` keeps this process beside it, to kill the whole process group: for a
program whose children would outlive it.
"""

import ctypes
import os
import signal
import subprocess
import sys
from functools import partial

PR_SET_PDEATHSIG = 1
PASSED_ON = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


def die_with(parent: int, number: int) -> None:
    """Have the kernel send signal `number` to this process when its parent dies; exit if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            sys.exit(1)


def stay(parent: int, command: list[str]) -> int:
    """Run the command, pass signals on to it, kill the process group when the parent dies; return the exit code."""
    signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
    die_with(parent, signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    unblocked = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, PASSED_ON)
    child = subprocess.Popen(command, preexec_fn=unblocked)  # noqa: S603, PLW1509 - the command line names it
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: child.send_signal(number))
    unblocked()
    return child.wait()


if __name__ == "__main__":
    kind, parent, *command = sys.argv[1:]
    if kind == "group":
        sys.exit(stay(int(parent), command))
    die_with(int(parent), signal.SIGKILL)
    os.execvp(command[0], command)  # noqa: S606 - the command line names it
