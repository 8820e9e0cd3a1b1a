#!/usr/bin/env python3
"""A commit that touches one file of a large fleet repository: the time until its tasks are ready.

A real server with a fleet of CLUSTERS clusters, one of which has real hosts with agents and runs. Each round commits one
changed parameter of that cluster and asks the server to look. Measured on this machine's clock, from the request to the
start of the first task as the server recorded it (the fetch by git is in it), and from the moment the server recorded
the revision as seen.

    Tests/Benchmarks/commit_to_tasks.py [clusters] [rounds]      EVENKEEL_BIN names the program
"""

import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "EndToEnd")]
sys.dont_write_bytecode = True

import fleets  # noqa: E402
from harness import Fleet, wait_until  # noqa: E402

NETWORK = 38
AIM_SECONDS = 0.1
SETTLE_SECONDS = 900


def large_fleet(clusters):
    """The demo's cluster, which runs, among many whose hosts nobody has seen."""
    fleet = Fleet("Benchmark", NETWORK, interval="10m")
    agents = fleet.hosts
    fleets.write_fleet(str(fleet.repository / "bench"), clusters)
    region = fleet.repository / "bench" / "region.yaml"
    region.write_text(region.read_text().replace("locationCode: 1, default: true", "locationCode: 2"))
    fleet.commit(f"{clusters} clusters")
    fleet.start_server()
    for host in agents:
        fleet.start_agent(host)
    return fleet


def is_running(fleet):
    found = [c for c in fleet.document()["clusters"] if c["name"] == "orders"]
    return bool(found) and found[0].get("state") == "Ready"


def one_round(fleet, value):
    """Seconds from the request, and from the revision's being seen, to the first task's start."""
    fleet.edit((r"max_connections: \d+", f"max_connections: {value}"))
    commit = fleet.commit(f"max_connections {value}")
    asked = time.time()
    fleet.cli("reconcile", timeout=120)
    started = wait_until(lambda: first_start(fleet, asked), 60, "a task of the commit has started")
    seen = next(r["seen"] for r in fleet.api("/api/v1/history")["revisions"] if r["revision"]["commit"] == commit)
    wait_until(lambda: is_running(fleet), 60, "the cluster is converged again")
    return started - asked, started - seconds(seen)


def first_start(fleet, since):
    starts = [seconds(task["started"]) for task in fleet.tasks(50)]
    return min((start for start in starts if start >= since), default=None)


def seconds(moment):
    return moment / 1000


def main():
    clusters = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    fleet = large_fleet(clusters)
    try:
        began = time.monotonic()
        wait_until(lambda: is_running(fleet), SETTLE_SECONDS, "the running cluster is converged", poll=1.0)
        print(f"{clusters} clusters: first converged after {time.monotonic() - began:.1f} s", file=sys.stderr)
        results = [one_round(fleet, 300 + number) for number in range(rounds)]
        asked = statistics.median(result[0] for result in results)
        seen = statistics.median(result[1] for result in results)
        print(f"commit of one file among {clusters} clusters, to its first task (median of {rounds})")
        print(f"  from the request, git's fetch included  {asked * 1000:7.0f} ms")
        print(f"  from the revision read                   {seen * 1000:7.0f} ms   aim {AIM_SECONDS * 1000:.0f} ms")
    finally:
        fleet.stop()


if __name__ == "__main__":
    main()
