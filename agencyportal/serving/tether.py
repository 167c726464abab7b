"""Starts a program that ends when its parent does, however that ended.

    python tether.py PARENT_PID PROGRAM [ARGUMENT ...]

Run as a file, so that it imports nothing of the portal, and replaced by the program at once. On
Linux the kernel sends the program SIGTERM when the parent is gone; elsewhere nothing is promised.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return  # it was gone before the kernel was told
    os.execvp(program[0], program)  # noqa: S606 - the supervisor's own programs


if __name__ == "__main__":
    main()
