"""A process that may start threads and no processes: a filter of its system calls (seccomp), on Linux.

The decoder of HEIC (libde265) works in a thread even where one is enough, and a limit of zero processes forbids threads
too.
"""

import ctypes
import os
import struct
from typing import NamedTuple

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # of classic BPF
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
ALLOW, KILL, NOT_PERMITTED, NOT_KNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # the last two: EPERM, ENOSYS
CLONE_THREAD = 0x10000
OTHER_NUMBERS = 0x40000000  # the x32 ABI has calls of its own from here on


class Calls(NamedTuple):
    """The numbers of an architecture and of its system calls that start something."""

    audit: int
    clone: int
    clone3: int
    others: tuple[int, ...]  # fork, vfork, execve and execveat, where they exist


CALLS = {
    "x86_64": Calls(0xC000003E, 56, 435, (57, 58, 59, 322)),
    "aarch64": Calls(0xC00000B7, 220, 435, (221, 281)),
}


def only_threads() -> bool:
    """Forbid this process to start processes and programs; return False where that cannot be forbidden."""
    calls = CALLS.get(os.uname().machine)
    if os.uname().sysname != "Linux" or calls is None:
        return False
    program = _program(calls)
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(header), 0, 0)


def _program(calls: Calls) -> bytes:
    """Return the filter: threads are started by clone with a flag; clone3 hides its flags, so glibc uses clone."""
    rules = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, calls.audit),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        *_unless(AT_LEAST, OTHER_NUMBERS, NOT_PERMITTED),
        *_unless(EQUAL, calls.clone3, NOT_KNOWN),
        *(rule for each in calls.others for rule in _unless(EQUAL, each, NOT_PERMITTED)),
        (EQUAL, 1, 0, calls.clone),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, NOT_PERMITTED),
    ]
    return b"".join(struct.pack("=HBBI", *rule) for rule in rules)


def _unless(comparison: int, value: int, result: int) -> list[tuple[int, int, int, int]]:
    """Return the rules that end with this result where the comparison holds."""
    return [(comparison, 0, 1, value), (RETURN, 0, 0, result)]
