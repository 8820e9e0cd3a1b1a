"""The fault matrix at random: faults of hosts, networks, processes, agents and the server, two at a time, by a seed.

What a row of the matrix would not think of. `EVENKEEL_TEST_CHAOS`: seeds to run, separated by commas; a seed fixes which
faults come and for how long, not what the machine makes of it. What is checked is what always holds: each acknowledged
row is on every instance, one of them takes writes, and the fleet converges once the faults end.
"""

import contextlib
import os
import random
import re
import sys
import time
import unittest

from harness import is_full, sample_seed
from matrix import MatrixCase, sampled

STEPS = 6
PAUSE_SECONDS = (0.5, 3.0)
FAULT_SECONDS = (0.3, 6.0)
END_SECONDS = 150
FAILOVERS_MAX = 3  # Of a cluster in an hour.


@sampled(1)
class Chaos(MatrixCase):
    network = 56

    # MARK: Faults: each begins, and gives its end

    def killed(self, one, _):
        pid = self.fleet.pid(one)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return lambda: None

    def frozen_database(self, one, _):
        pid = self.fleet.pid(one)
        return self.freeze(pid) if pid else lambda: None

    def frozen_agent(self, one, _):
        return self.freeze(self.agent(one).pid)

    def killed_agent(self, one, _):
        self.agent(one).kill()
        return lambda: self.agent(one).is_running or self.fleet.start_agent(one["host"])

    def frozen_server(self, *_):
        return self.freeze(self.fleet.server.pid)

    def killed_server(self, *_):
        self.fleet.server.kill()
        return lambda: self.fleet.start_server()

    def cut_between(self, one, other):
        return self.mending(self.wires.cut(self.address(one), self.address(other)))

    def cut_one_way(self, one, other):
        return self.mending(self.wires.cut(self.address(one), self.address(other), is_one_way=True))

    def cut_from_servers(self, one, _):
        return self.mending(self.wires.cut(self.address(one), self.wires.servers))

    def cut_from_all_but_clients(self, one, _):
        others = [self.fleet.address(host) for host in self.fleet.hosts if self.fleet.address(host) != one["address"]]
        return self.mending(self.wires.cut(self.address(one), [*others, self.wires.servers]))

    def isolated(self, one, _):
        return self.mending(self.isolate(one))

    def lossy(self, one, _):
        return self.mending(self.wires.cut(self.address(one), percent=30))

    def lost(self, one, _):
        rules = self.isolate(one)
        self.agent(one).kill()
        self.killed(one, None)

        def back():
            self.wires.mend(rules)
            self.agent(one).is_running or self.fleet.start_agent(one["host"])

        return back

    def switched_over(self, *_):
        """Asked for; it may be refused, or wait for what is lost."""
        self.fleet.cli("switchover", "orders", "--no-wait", status=None)
        return lambda: None

    def restarted(self, *_):
        """By a commit, one instance after another."""
        self.changes_made += 1
        self.fleet.edit((r"max_connections: 200.*\}", f"max_connections: 200, back_log: {90 + self.changes_made}}}"), message="A change")
        return lambda: None

    def mending(self, rules):
        return lambda: self.wires.mend(rules)

    # MARK: By a seed

    def chaos(self, seed):
        dice = random.Random(seed)
        kinds = [
            self.killed, self.frozen_database, self.frozen_agent, self.killed_agent, self.frozen_server, self.killed_server,
            self.cut_between, self.cut_one_way, self.cut_from_servers, self.cut_from_all_but_clients, self.isolated, self.lossy,
            self.lost, self.switched_over, self.switched_over, self.restarted]
        self.changes_made = 0
        plan = []
        for _ in range(STEPS):
            # The primary is the one that is worth it; the other one may be anybody.
            plan.append((dice.choice(kinds), dice.choice([0, 0, 1, 2]), dice.randrange(3), dice.uniform(*FAULT_SECONDS), dice.uniform(*PAUSE_SECONDS)))
        members, running, server = self.members, [], []
        order = [self.old, *self.others]
        self.assertEqual(len(members), 3)
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            epoch = self.epoch
            for kind, one, other, seconds, pause in plan:
                if kind in (self.frozen_server, self.killed_server) and server:
                    continue
                one, other = order[one], order[other if other != one else (one + 1) % 3]
                print(f"  seed {seed}: {kind.__name__} {one['name']} {other['name']} for {seconds:.1f} s", file=sys.stderr, flush=True)
                running.append((time.monotonic() + seconds, kind(one, other), kind))
                if kind in (self.frozen_server, self.killed_server):
                    server.append(kind)
                end = time.monotonic() + pause
                while time.monotonic() < end or len(running) > 1:
                    for entry in [each for each in running if each[0] <= time.monotonic()]:
                        running.remove(entry)
                        entry[1]()
                        if entry[2] in server:
                            server.remove(entry[2])
                    time.sleep(0.02)
                cluster = self.fleet.cluster() if not server else None
                if cluster and cluster["epoch"] - epoch >= FAILOVERS_MAX - 1:
                    break
                if cluster and cluster["primary"]:
                    order.sort(key=lambda each: each["name"] != cluster["primary"])
            for _, end, _ in running:
                end()
            self.wires.mend()
            self.fleet.wait_converged(END_SECONDS)
            self.writes(writer, seconds=60)
            self.wait_healed()
        self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, loyal, gap_max=None)

    @unittest.skipUnless(
        is_full() or os.environ.get("EVENKEEL_TEST_CHAOS"), "only in full runs, or by EVENKEEL_TEST_CHAOS: faults that are known may come")
    def test_by_seed(self):
        for seed in os.environ.get("EVENKEEL_TEST_CHAOS", sample_seed()).split(","):
            with self.subTest(seed=seed):
                self.renew()
                self.begin()
                self.fleet.name += "-" + re.sub(r"\W", "-", seed)
                try:
                    self.chaos(seed)
                except BaseException:
                    type(self).has_failed = True
                    self.wires.mend()
                    self.tell()
                    raise
                finally:
                    self.doCleanups()


if __name__ == "__main__":
    unittest.main()
