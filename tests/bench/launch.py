"""``launch.py SECONDS GB COMMAND...``: run a command within bounds; the last line printed says what it took, as JSON.

It imports next to nothing: a process that starts another one hands on its own peak memory as the least that the
system will report of the other.
"""

import json
import os
import resource
import signal
import sys
import time

limit_s, limit_gb, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
resource.setrlimit(resource.RLIMIT_AS, (limit_gb << 30, resource.RLIM_INFINITY))
begin = time.perf_counter()
child = os.posix_spawnp(command[0], command, os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
signal.alarm(limit_s)
_, status, used = os.wait4(child, 0)
unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
took = {
    "wall_s": time.perf_counter() - begin,
    "cpu_s": used.ru_utime + used.ru_stime,
    "peak_mb": used.ru_maxrss / unit,
    "code": os.waitstatus_to_exitcode(status),
}
print("\n" + json.dumps(took))
