"""Become another program that dies with the process that started it: leash.py <parent pid> <program> <arguments>."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # the parent died before the leash was on
        sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
