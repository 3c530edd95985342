"""What every peer in Python does around its steps: arguments, time, memory, and the line of JSON that compare.py reads."""

import argparse
import json
import os
import time

WARM = 5
COMPARED = 10


def arguments():
    """NAME FOLDER [--threads N] [--steps N] [--infer] [--tuned]; FOLDER holds what `workload NAME --save` wrote."""
    words = argparse.ArgumentParser()
    words.add_argument("name")
    words.add_argument("folder")
    words.add_argument("--threads", type=int, default=1)
    words.add_argument("--steps", type=int, default=100)
    words.add_argument("--infer", action="store_true")
    words.add_argument("--tuned", action="store_true")
    given = words.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    return given


def resident():
    """Peak resident memory in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def report(steps, step, idle):
    """Times `step(number)`, which gives a number that frameworks are compared by."""
    times, values = [], []
    for number in range(steps + WARM):
        clock = time.perf_counter()
        value = step(number)
        taken = (time.perf_counter() - clock) * 1e3
        if number >= WARM:
            times.append(taken)
        if number < COMPARED:
            values.append(value)
    times.sort()
    middle = times[len(times) // 2]
    print(json.dumps({"ms_median": middle, "ms_min": times[0], "mb": resident() - idle, "values": values}))
