"""Turns itself into one of PostgreSQL's programs: under the right user, and not outliving whoever started it.

A program of its own and run as such, since what happens between fork and exec is no place for Python code in a process
with threads. Arguments: user id, group id, the starter's process id, the program, its arguments.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop root's rights if there are any, ask for a signal at the starter's death, and become the program."""
    uid, gid, parent = (int(argument) for argument in sys.argv[1:4])
    program = sys.argv[4:]
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if sys.platform == "linux":
        # After setuid, which clears it; it survives exec. SIGINT is PostgreSQL's fast shutdown.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the process that started PostgreSQL has ended")
    os.execv(program[0], program)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main()
