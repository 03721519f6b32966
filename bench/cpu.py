"""CPU time of processes, from /proc: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(root: int) -> float:
    """CPU seconds that a process and all that descend from it have used, the ended ones included."""
    processes = _processes()
    wanted = {root}
    # A child's number may be lower than its parent's, so once around is not enough.
    while more := {pid for pid, (parent, _) in processes.items() if parent in wanted and pid not in wanted}:
        wanted |= more
    return sum(processes[pid][1] for pid in wanted if pid in processes) / _TICKS


def _processes() -> dict[int, tuple[int, int]]:
    """By process id: the parent's, and the ticks used by itself and by its children that have ended."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            stat = (directory / "stat").read_text()
        except OSError:  # It ended while we looked.
            continue
        # The name in parentheses may hold anything; what follows it is fields 3 and up.
        fields = stat.rpartition(")")[2].split()
        found[int(directory.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    return found
