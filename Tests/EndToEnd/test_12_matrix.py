"""The fault matrix: processes, agents and servers that end, hang or come late, one at a time and several at once.

Rows with the loss of a host, a hang, and of the server in the middle are in `test_11_failover.py`; networks are in
`test_12_network.py`, what people do by hand in `test_12_by_hand.py`.
"""

import subprocess
import time
import unittest

from databases import Connection, QueryFailed
from harness import wait_until
from matrix import FAILOVER_SECONDS, GAP_SECONDS, ROWS_BEFORE, STOP_SECONDS, UNDISTURBED_SECONDS, MatrixCase, known, sampled
from operations import Trigger, begins, ends, known_attempts
from test_11_failover import NEW_LEADER_SECONDS

LEASE_SECONDS = 15
FLAPS = 5
BIG_MEGABYTES = 300
CONNECTIONS = 200
BUDGET = 3  # Failovers of a cluster in an hour.


@sampled(2)
class Processes(MatrixCase):
    network = 51

    # MARK: Several at once

    def acknowledged_by_one_only(self, writer):
        """Rows that one replica has received and not applied, and nobody else but the primary has received. The replica, and
        what holds it back."""
        cut_off, alone = self.others
        session = self.hold(alone)
        self.wires.cut(self.address(self.old), self.address(cut_off))
        self.fleet.wait_until(
            lambda: self.root(cut_off).replication()["Slave_IO_Running"] != "Yes", STOP_SECONDS, f"{cut_off['name']} is cut off")
        self.writes(writer)
        return alone, session

    def test_relay_tail_of_a_killed_replica_and_the_primary_lost(self):
        """The rows are only in the relay log of a replica whose process was killed."""
        with self.writer() as writer:
            self.writes(writer)
            alone, session = self.acknowledged_by_one_only(writer)
            self.lose(self.old)
            self.kill(alone)
            session.end()
            self.wait_failed_over(to=alone)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    def test_relay_tail_of_a_living_replica_and_the_primary_lost(self):
        """Who received most is behind in what it applied."""
        with self.writer() as writer:
            self.writes(writer)
            alone, session = self.acknowledged_by_one_only(writer)
            self.assertTrue(set(writer.acknowledged) - self.rows(alone), "it has applied everything")
            self.lose(self.old)
            self.fleet.wait_finding("Failover", FAILOVER_SECONDS, self.since)
            session.end()
            self.wait_failed_over(to=alone)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    def test_all_databases_are_killed_and_the_primary_cannot_start(self):
        with self.writer() as writer:
            self.writes(writer)
            with self.frozen(self.agent(self.old).pid):
                self.kill(*self.members)
                self.fleet.directory(self.old).rename(self.fleet.root / f"taken-away-{time.monotonic_ns()}")
            self.wait_failed_over(60)
            self.writes(writer)
            self.wait_healed()
        self.judge(writer, gap_max=60)

    def test_all_databases_are_killed(self):
        with self.writer() as writer:
            self.writes(writer)
            self.kill(*self.members)
            self.writes(writer)
            self.wait_healed()
        self.judge(writer)

    def test_all_hosts_lose_power(self):
        """Those without the primary come back first."""
        with self.writer() as writer:
            self.writes(writer)
            self.lose(*self.members)
            self.bring_back(*self.others)
            self.fleet.wait_until(
                lambda: all(self.fleet.pid(each) for each in self.others), 30, "the replicas' databases run")
            self.bring_back(self.old)
            self.writes(writer, seconds=60)
            self.wait_healed()
        self.judge(writer, gap_max=None)

    def test_replica_is_killed_and_the_primary_cannot_start(self):
        with self.writer() as writer:
            self.writes(writer)
            with self.frozen(self.agent(self.old).pid):
                self.kill(self.old, self.others[0])
                self.fleet.directory(self.old).rename(self.fleet.root / f"taken-away-{time.monotonic_ns()}")
            self.wait_failed_over(60)
            self.writes(writer)
            self.wait_healed()
        self.judge(writer, gap_max=60)

    # MARK: While it fails over

    def candidate_dies(self, moment_of):
        """The first replica, which would be promoted, is killed at that moment."""
        candidate = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            moment = moment_of(candidate["host"], known_attempts(self.fleet))
            with Trigger(self.fleet, moment, lambda _: self.kill(candidate)) as trigger:
                self.lose(self.old)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "the candidate is killed")
                self.wait_failed_over()
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    def test_candidate_dies_when_it_is_revoked(self):
        self.candidate_dies(lambda host, known: ends("revoke", known, host))

    def test_candidate_dies_while_it_is_promoted(self):
        def moment_of(host, known):
            begun = begins("promote", known)
            return lambda journals, at: at == host and begun(journals, at)

        self.candidate_dies(moment_of)

    def test_candidate_dies_when_it_was_promoted(self):
        self.candidate_dies(lambda host, known: ends("promote", known, host))

    def test_promoted_host_is_lost_at_once(self):
        """The next one takes over; nobody is left to acknowledge, until a host is back."""
        with self.writer() as writer:
            self.writes(writer)
            self.lose(self.old)
            first, second = self.old, self.wait_failed_over()
            self.old, self.epoch = second, self.fleet.cluster()["epoch"]
            self.lose(second)
            self.wait_failed_over()
            self.bring_back(first, second)
            self.writes(writer, seconds=60)
            self.wait_healed()
        self.judge(writer, gap_max=None)

    def test_agent_restarts_in_the_middle_of_a_promotion(self):
        def restart(host):
            self.fleet.agents[host].kill()
            self.fleet.start_agent(host)

        with self.writer() as writer:
            self.writes(writer)
            with Trigger(self.fleet, begins("promote", known_attempts(self.fleet)), restart) as trigger:
                self.lose(self.old)
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "the agent is killed")
                self.wait_failed_over()
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer)

    # MARK: Servers and agents

    def test_server_sleeps_beyond_its_lease(self):
        """It is woken when its lease is long over; what it began it ends, under its epoch."""
        with self.writer() as writer:
            self.writes(writer)
            asleep = []
            with Trigger(
                    self.fleet, begins("revoke", known_attempts(self.fleet)),
                    lambda _: asleep.append(self.freeze(self.fleet.server.pid))) as trigger:
                self.lose(self.old)
                wait_until(trigger.happened.is_set, FAILOVER_SECONDS, "a revocation has begun")
            end = time.monotonic() + LEASE_SECONDS + 3
            while time.monotonic() < end:
                self.assertLessEqual(len(self.open_ones()), 1)
            asleep[0]()
            self.wait_failed_over(60)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=GAP_SECONDS + LEASE_SECONDS + NEW_LEADER_SECONDS)

    def open_ones(self):
        """Who takes writes, of those that answer."""
        found = []
        for instance in self.members:
            try:
                if self.root(instance).value("SELECT @@read_only") == "0":
                    found.append(instance["name"])
            except (QueryFailed, OSError, subprocess.TimeoutExpired):
                continue
        return found

    def test_server_starts_after_the_primary_died(self):
        self.fleet.server.stop()
        writer = self.writer()
        place = (self.old["address"], self.old["port"])
        find, writer.where = writer.where, lambda: place
        with writer:
            writer.wait_for(ROWS_BEFORE)
            self.lose(self.old)
            writer.where = find
            self.fleet.start_server()
            self.wait_failed_over(60)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed()
        self.judge(writer, gap_max=GAP_SECONDS + NEW_LEADER_SECONDS)

    def test_agent_hangs_and_the_database_is_healthy(self):
        pid = self.fleet.pid(self.old)
        with self.writer() as writer:
            self.writes(writer)
            with self.frozen(self.agent(self.old).pid):
                self.fleet.wait_finding("HostSilent", 2 * STOP_SECONDS, self.since)
                self.writes(writer)
            self.wait_healed()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()
        self.assertEqual(self.fleet.pid(self.old), pid)

    # MARK: Load and limits

    def test_budget_of_failovers_is_spent(self):
        """Three in an hour; then the primary is waited for, and that is told."""
        if self.failovers:
            self.renew()
            self.begin()
        with self.writer() as writer:
            for _ in range(BUDGET):
                self.writes(writer)
                self.look()
                self.lost_and_back(writer)
            self.look()
            self.lose(self.old)
            self.fleet.wait_finding("FailoverBudgetSpent", FAILOVER_SECONDS, self.since)
            self.bring_back(self.old)
            self.writes(writer, seconds=60)
            self.wait_healed()
            self.assert_no_failover()
        self.judge(writer, gap_max=60)

    def test_flapping(self):
        """Killed whenever it is back; it is the primary still, or one failover has ended it."""
        with self.writer() as writer:
            for _ in range(FLAPS):
                self.writes(writer)
                self.kill(self.fleet.primary())
            self.writes(writer)
            self.wait_healed()
        self.judge(writer)
        self.assertLessEqual(self.fleet.cluster()["epoch"], self.epoch + 2)

    def test_a_transaction_of_300_MB(self):
        self.root(self.old).rows("CREATE TABLE IF NOT EXISTS orders.big (id INT PRIMARY KEY, data LONGBLOB)")
        with self.writer(patience=120) as writer:
            self.writes(writer)
            client = Connection(
                self.old["address"], self.old["port"], "app", self.fleet.passwords["orders-app"], "orders", 180)
            try:
                client.execute("BEGIN")
                for number in range(BIG_MEGABYTES):
                    client.execute(f"INSERT INTO big SELECT {number}, REPEAT(MD5({number}), 32768)")
                began = time.monotonic()
                client.execute("COMMIT")
                print(f"COMMIT of {BIG_MEGABYTES} MB: {time.monotonic() - began:.1f} s", flush=True)
            finally:
                client.close()
            self.writes(writer, seconds=120)
            self.assert_no_failover()
            self.wait_healed(180)
        self.judge(writer, gap_max=120)
        self.assert_no_failover()
        for instance in self.fleet.instances():
            self.assertEqual(self.root(instance).value("SELECT COUNT(*) FROM orders.big"), str(BIG_MEGABYTES))
        self.root(self.old).rows("DROP TABLE orders.big")

    def test_connections_are_exhausted(self):
        taken = []
        self.addCleanup(lambda: [each.close() for each in taken])
        with self.writer() as writer:
            self.writes(writer)
            try:
                while len(taken) <= CONNECTIONS:
                    taken.append(Connection(
                        self.old["address"], self.old["port"], "app", self.fleet.passwords["orders-app"], "orders"))
                self.fail("connections had no end")
            except QueryFailed as error:
                self.assertIn("Too many connections", str(error))
            self.goes_on_writing(writer)
            self.fleet.wait_until(
                lambda: self.fleet.now() > self.since + 15_000, 60, "it has been so for many looks")
            self.assert_no_failover()
            self.assertTrue(self.fleet.instance(self.old["name"])["serving"], self.fleet.describe())
            for each in taken:
                each.close()
            self.wait_healed()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()


if __name__ == "__main__":
    unittest.main()
