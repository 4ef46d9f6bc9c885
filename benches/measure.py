#!/usr/bin/env python3
"""Times one command (run), and makes tables of what was timed (report). See benches/compare."""

import json
import os
import statistics
import sys
import time


def run(results, log, comparison, contender, command):
    """Runs `command`, which prints to the file `log`; appends its wall time, CPU time and peak memory to `results`."""
    to_log = [
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=to_log)
    # wait4 reports the command and all of its descendants that were waited for; of these, the one with the highest peak.
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.stderr.writelines(file.readlines()[-20:])
        sys.exit(f"{comparison}: {contender} ended with {code}")
    record = {
        "comparison": comparison,
        "contender": contender,
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss / 1024,
    }
    with open(results, "a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    print(f"  {contender:<12} {wall:8.2f} s", file=sys.stderr)


def spread(values, unit="", digits=2):
    """Median, smallest and largest."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f}{unit} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def report(results):
    """One table per comparison, in the order in which they were run."""
    with open(results, encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    comparisons = {}
    for record in records:
        contenders = comparisons.setdefault(record["comparison"], {})
        contenders.setdefault(record["contender"], []).append(record)
    for comparison, contenders in comparisons.items():
        rounds = min(len(runs) for runs in contenders.values())
        print(f"\n{comparison}: {rounds} runs each in turn; median (smallest-largest)")
        print(f"  {'':<12} {'wall, s':<22} {'CPU, s':<8} {'peak, MiB':<10} ratio of gapferry's wall time to it")
        ours = contenders.get("gapferry")
        for contender, runs in contenders.items():
            walls = [run["wall"] for run in runs]
            cpu = statistics.median(run["cpu"] for run in runs)
            peak = max(run["peak"] for run in runs)
            ratio = "-"
            if ours and runs is not ours:
                # Runs of the same round stand beside each other in time, so that a slow disk hits both of a pair.
                ratio = spread([a["wall"] / b["wall"] for a, b in zip(ours, runs)])
            print(f"  {contender:<12} {spread(walls):<22} {cpu:<8.2f} {peak:<10.0f} {ratio}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", results, log, comparison, contender, *command]:
            run(results, log, comparison, contender, command)
        case ["report", results]:
            report(results)
        case _:
            sys.exit("usage: measure.py run RESULTS LOG COMPARISON CONTENDER COMMAND... | report RESULTS")
