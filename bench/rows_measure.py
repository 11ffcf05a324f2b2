"""Runs a program to its end and prints, as JSON, its wall seconds, CPU seconds, peak memory and exit code.

Usage: python rows_measure.py PROGRAM ARGUMENT…

CPU seconds count the program's finished children, too. The peak is that of the
largest process of the tree, not a sum: `wait4` gives it, and the kernel counts
it, so no short peak is missed. The program's output goes to stderr.
"""

import json
import os
import sys
import time

BYTES = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss

start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
print(
    json.dumps(
        {
            "seconds": seconds,
            "cpuSeconds": usage.ru_utime + usage.ru_stime,
            "peakBytes": usage.ru_maxrss * BYTES,
            "code": os.waitstatus_to_exitcode(status),
        }
    )
)
