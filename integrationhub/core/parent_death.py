"""A process that must not outlive its parent asks the kernel for that (Linux `prctl(2)`, PR_SET_PDEATHSIG)."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1


def die_with_parent(death_signal: int = signal.SIGKILL) -> None:
    """Be sent `death_signal` when the parent ends. Elsewhere than on Linux this does nothing.

    Call it after any change of user (the kernel forgets it then). A parent that ended before the call is noticed.
    """
    parent = os.getppid()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os.kill(os.getpid(), death_signal)
