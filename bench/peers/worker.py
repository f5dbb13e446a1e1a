"""What every worker in Python does: prepare a job, then repeat it on command.

A worker prints a line of JSON when it is ready, answers `go N` with the seconds of N repetitions, and `quit` with its
memory before the job and at its peak.
"""

import json
import sys
import time


def memory():
    """The peak of the resident memory so far, in KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def serve(prepare, version):
    """`prepare(config)` returns the number of parameters, the number of threads and the job; `version` is the library's."""
    config = json.loads(sys.argv[1])
    base = memory()
    parameters, threads, job = prepare(config)
    for _ in range(3):
        job()
    print(json.dumps({"parameters": parameters, "threads": threads, "version": version}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            break
        assert words[0] == "go", line
        seconds = []
        for _ in range(int(words[1])):
            start = time.perf_counter()
            job()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds}), flush=True)
    print(json.dumps({"base_kib": base, "peak_kib": memory()}), flush=True)
