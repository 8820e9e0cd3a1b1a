#!/usr/bin/env python3
"""A commit that touches one file of a large fleet repository: from the commit seen to its tasks ready.

A real server over a real git repository of 100,000 clusters, all placed in its store; one more cluster has real hosts
with agents, and runs. Each round commits one change to that cluster's file, and waits for the server's own poll.

- seen: the poll learned the new commit's id. The fetch by git comes after it, and is part of what is measured.
- ready: the plan and the opened attempts are in the store, on disk; the stream of `GET /api/v1/watch` tells so.

    Tests/Benchmarks/one_file_commit.py [--clusters N] [--rounds N] [--check]        EVENKEEL_BIN names the program

Prints the server's start, its memory and its processor time at rest too. --check exits 1 over the threshold.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "EndToEnd")]
sys.dont_write_bytecode = True

import fleets  # noqa: E402
from harness import Fleet, TimedOut, wait_until  # noqa: E402

NETWORK = 38
POLL = "2s"
REST_SECONDS = 60
# Bounds of the waits; for the first acceptance and the first passes, for each cluster in addition.
START_SECONDS = 60
PER_CLUSTER_SECONDS = 0.01
ROUND_SECONDS = 60
CONVERGE_SECONDS = 120


class LargeFleet(Fleet):
    """The three zones of the example, whose hosts have agents, among many clusters whose hosts nobody has seen."""

    def __init__(self, clusters):
        super().__init__("Benchmark", NETWORK, interval=POLL)
        self.agent_hosts = super().hosts
        self.addresses = {host: super(LargeFleet, self).address(host) for host in self.agent_hosts}
        alone = super().cluster_file
        fleets.write_fleet(str(self.repository / "bench"), clusters, secret="bench-app")
        (self.root / "secrets" / "bench-app").write_text("the same for all of them\n")
        # The cluster that runs is the first of a file of a hundred and one.
        self.orders = self.repository / "bench" / "clusters" / "000" / "000.yaml"
        self.orders.write_text(alone.read_text() + self.orders.read_text())
        alone.unlink()
        region = self.repository / "bench" / "region.yaml"
        region.write_text(region.read_text().replace("locationCode: 1, default: true", "locationCode: 2"))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"{clusters} clusters")
        self.git("gc", "-q")

    # The whole repository is far too much text to look these up in it each time.
    @property
    def hosts(self):
        return self.agent_hosts

    @property
    def cluster_file(self):
        return self.orders

    def address(self, host):
        return self.addresses[host]

    def revision(self):
        """The newest revision that is in force, as the history tells it; nil before the first."""
        try:
            found = self.api("history?limit=1")
        except OSError:
            return None
        return found[0] if found and found[0]["state"] == "accepted" else None

    def metric(self, name):
        request = urllib.request.Request(self.url + "/metrics", headers={"Authorization": "Bearer " + self.token})
        with urllib.request.urlopen(request, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " ")), None)

    @property
    def token(self):
        return (self.root / "admin.token").read_text().strip()

    def settle(self):
        """Waits until the cluster that runs is as declared."""
        command = ["reconcile", "Cluster/orders", "--wait", "--timeout", str(CONVERGE_SECONDS)]
        wait_until(
            lambda: self.cli(*command, status=None, timeout=CONVERGE_SECONDS + 60).returncode == 0, CONVERGE_SECONDS,
            "the cluster with agents is as declared", self.server.tail, poll=1)

    def status(self, key):
        """A line of /proc/PID/status of the server, in megabytes."""
        for line in pathlib.Path("/proc", str(self.server.pid), "status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
        return 0.0

    def processor_seconds(self):
        fields = pathlib.Path("/proc", str(self.server.pid), "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """When each change of a unit was told, by this machine's clock."""

    def __init__(self, fleet, unit):
        self.moments = []
        request = urllib.request.Request(fleet.url + "/api/v1/watch", headers={"Authorization": "Bearer " + fleet.token})
        self.stream = urllib.request.urlopen(request, timeout=600)
        self.unit = unit.encode()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.stream:
                if self.unit in line:
                    self.moments.append(time.time() * 1000)
        except (OSError, ValueError, AttributeError):
            pass  # The server has ended, or the benchmark.

    def first_since(self, moment):
        return next((each for each in self.moments if each >= moment), None)


class Round:
    """One commit; everything in milliseconds."""

    def __init__(self, fleet, watch, changes, message):
        fleet.edit(*changes)
        commit = fleet.commit(message)
        self.revision = wait_until(
            lambda: (found := fleet.revision()) and found["revision"]["commit"] == commit and found, ROUND_SECONDS,
            "the commit is in force", fleet.server.tail)
        tasks = wait_until(
            lambda: [task for task in fleet.api("tasks?unit=Cluster/orders&limit=50") if task["revision"] == commit],
            ROUND_SECONDS, "a task of the commit has started", fleet.server.tail)
        self.message = message
        seen = self.revision["seenMilliseconds"]
        started = min(task["startedMilliseconds"] for task in tasks)
        ready = wait_until(lambda: watch.first_since(started), ROUND_SECONDS, "the watch told of it")
        self.accepted = self.revision["acceptedMilliseconds"] - seen
        self.decided = started - seen
        self.ready = ready - seen

    def __str__(self):
        return f"{self.message}: in force after {self.accepted:.0f} ms, decided {self.decided:.0f} ms, ready {self.ready:.0f} ms"


def begin(fleet, clusters, say):
    """Starts everything; returns the lines that tell how long it took and how much it needs."""
    bound = START_SECONDS + clusters * PER_CLUSTER_SECONDS
    say("starting a server with an empty store")
    began = time.monotonic()
    fleet.start_server()
    wait_until(fleet.revision, bound, "the first revision is in force", fleet.server.tail, poll=0.5)
    placed = time.monotonic() - began
    say("starting it again, with the store that it left")
    wait_until(lambda: is_looked_at(fleet, clusters), bound, "the first passes are over", fleet.server.tail, poll=1)
    rested = time.monotonic() - began
    fleet.server.stop()
    began = time.monotonic()
    fleet.start_server()
    wait_until(lambda: fleet.metric("evenkeel_leader") == 1, bound, "it leads", fleet.server.tail)
    ready = time.monotonic() - began
    for host in fleet.hosts:
        fleet.start_agent(host)
    fleet.settle()
    converged = time.monotonic() - began
    wait_until(lambda: is_looked_at(fleet, clusters), bound, "the first passes are over", fleet.server.tail, poll=1)
    return [
        f"first start: all placed and in force after {placed:.1f} s, every cluster looked at after {rested:.1f} s",
        f"second start: leads after {ready:.1f} s, the cluster with agents made and converged after {converged:.1f} s",
    ]


def is_looked_at(fleet, clusters):
    """Every cluster had its first pass."""
    return fleet.metric("evenkeel_units_looked_at") >= clusters


def rest(fleet, say):
    say(f"measuring {REST_SECONDS} s at rest")
    before, began = fleet.processor_seconds(), time.monotonic()
    time.sleep(REST_SECONDS)
    share = (fleet.processor_seconds() - before) / (time.monotonic() - began)
    return f"at rest: {share * 100:.0f} % of a processor, {fleet.status('VmRSS'):.0f} MB (peak {fleet.status('VmHWM'):.0f} MB)"


def rounds(fleet, count, say):
    watch = Watch(fleet, '"Cluster/orders"')
    found = []
    for number in range(count):
        changes = [(r"max_connections: *\d+", f"max_connections: {300 + number}")]
        message = f"max_connections {300 + number}"
        if number % 3 == 2:
            wanted = 2 if number % 6 == 2 else 1
            changes = [(r"zone: cn-hangzhou-b, replicas: \d", f"zone: cn-hangzhou-b, replicas: {wanted}")]
            message = "one more replica" if wanted == 2 else "one replica less"
        found.append(Round(fleet, watch, changes, message))
        say(str(found[-1]))
        fleet.settle()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--check", action="store_true", help="exit 1 where the threshold is passed")
    options = parser.parse_args()
    aim = json.loads((HERE / "thresholds.json").read_text())["oneFileCommit"]["milliseconds"]

    def say(text):
        print(f"  {text}", file=sys.stderr, flush=True)

    say(f"writing a repository of {options.clusters:,} clusters")
    fleet = LargeFleet(options.clusters)
    failed = True
    try:
        for line in [*begin(fleet, options.clusters, say), rest(fleet, say)]:
            say(line)
            print(line, flush=True)
        found = rounds(fleet, options.rounds, say)
        failed = False
    except TimedOut as problem:
        sys.exit(str(problem))
    finally:
        fleet.stop(failed)
    median = statistics.median(each.ready for each in found)
    worst = max(each.ready for each in found)
    print(f"one file of {options.clusters:,} clusters, commit seen to tasks ready: median {median:.0f} ms, worst "
          f"{worst:.0f} ms of {len(found)} (aim: under {aim} ms)")
    if options.check and median >= aim:
        sys.exit(1)


if __name__ == "__main__":
    main()
