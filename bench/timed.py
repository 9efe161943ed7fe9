"""Run a command and write `seconds tree own code` to a file: `python -ISE timed.py FILE COMMAND…`.

`tree` is the peak resident memory in MiB of the largest process among the command and its descendants, `own`
that of the command itself, read from /proc while it runs (0 where there is no /proc).

A process of its own with next to nothing imported, not even pathlib, because a child's peak memory counts
what its parent held when it was started: measured from a larger process, a small command would seem as large.
"""

import _thread
import os
import sys
import time

EVERY_SECONDS = 0.02


def watch(child: int, peak: list[int]) -> None:
    """Keep the peak memory of `child` in KiB in `peak` until it ends."""
    while True:
        try:
            with open(f"/proc/{child}/status", "rb") as status:  # noqa: PTH123 - see above
                peak += (int(line.split()[1]) for line in status if line.startswith(b"VmHWM"))
        except OSError:
            return
        del peak[:-1]
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    result, *command = sys.argv[1:]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    own = [0]
    _thread.start_new_thread(watch, (child, own))
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123 - see above
        file.write(f"{seconds} {usage.ru_maxrss / 1024} {own[-1] / 1024} {os.waitstatus_to_exitcode(status)}\n")
