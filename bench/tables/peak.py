"""Runs a program and prints its seconds and its peak of resident memory, as a line of JSON on standard error.

A process of its own, and a small one: a program's peak begins at that of the process which started it.
"""

import json
import os
import sys
import time

start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024}), file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
