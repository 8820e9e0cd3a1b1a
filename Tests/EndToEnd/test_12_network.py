"""The fault matrix: networks that are cut between any two, in one direction, or lose packets, and are mended."""

import pathlib
import subprocess
import sys
import time
import unittest

from databases import QueryFailed
from matrix import BACK_SECONDS, FAILOVER_SECONDS, ROWS_BEFORE, STOP_SECONDS, UNDISTURBED_SECONDS, MatrixCase, known, sampled
from operations import Trigger, begins, known_attempts

CUT_SECONDS = 12  # Longer than a failover takes.
FULL_SECONDS = 27  # TCP has tried for the eighth time, and does not try again before 51 s.
FULL_ROWS = 12  # Of a million bytes: more than the connection holds.
SOON_SECONDS = 15  # To be back, where nothing waits for TCP.
GAP_PARTITION_SECONDS = 25.0  # The aim for a primary that only lost its replicas is 10.
LOSS_PERCENT = 30
FLAPS = 5
FLAP_SECONDS = 2.0
ABLE_SECONDS = 2.0


@sampled(2)
class Networks(MatrixCase):
    network = 52

    def goes_on(self, writer, seconds=CUT_SECONDS):
        """Writes go on, with the same primary, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.writes(writer, 10, STOP_SECONDS)
            cluster = self.fleet.cluster()
            self.assertEqual((cluster["primary"], cluster["epoch"]), (self.old["name"], self.epoch), self.fleet.describe())

    def elsewhere(self, *instances):
        """Addresses of all other hosts."""
        return [self.fleet.address(host) for host in self.fleet.hosts if self.fleet.address(host) not in self.address(*instances)]

    def count_failovers(self):
        """After a row of which nobody knows how often somebody took over: each of them, and what was begun, took an epoch."""
        cluster = self.fleet.cluster()
        type(self).failovers += cluster["epoch"] - self.epoch
        if cluster["primary"] != self.old["name"]:
            self.promoted.append(cluster["primary"])

    # MARK: The primary cut off; somebody takes over

    def cut_off_and_back(self, cut, clients_reach_it):
        """The primary is cut off by `cut()`, another one takes over, and it comes back. A client that stays connected to
        it, and one on its host, are told of no write that is not everywhere."""
        pid = self.fleet.pid(self.old)
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            cut()
            new = self.wait_failed_over()
            self.writes(writer)
            # Nobody is to read old rows there: its agent, which hears nobody, has killed it.
            self.fleet.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), STOP_SECONDS, "the primary that is cut off is killed by its agent")
            before = len(loyal.acknowledged)
            self.assertEqual(self.root(new).value("SELECT @@read_only"), "0")
            end = time.monotonic() + CUT_SECONDS
            while time.monotonic() < end:
                self.writes(writer, 10)
            self.assertEqual(len(loyal.acknowledged), before, "the old primary acknowledged a write after another took over")
            self.wires.mend()
            self.wait_healed()
            self.writes(writer)
        self.judge(writer, loyal)
        self.assertEqual(self.fleet.primary()["name"], new["name"])
        self.assertNotEqual(self.fleet.pid(self.old), pid, "it went on as the open primary that it was")
        if clients_reach_it:
            self.assertTrue(loyal.error, "its client was told nothing")

    def test_zone_is_partitioned_and_clients_reach_both_sides(self):
        zone = [self.fleet.address(host) for host in self.fleet.hosts
                if f"zone: {self.old['zone']}" in self.fleet.declared("Host")[host]]
        rest = [self.fleet.address(host) for host in self.fleet.hosts if self.fleet.address(host) not in zone]
        self.cut_off_and_back(lambda: self.wires.cut(zone, [*rest, self.wires.servers]), True)

    def test_primary_is_partitioned_from_everybody(self):
        self.cut_off_and_back(lambda: self.isolate(self.old), False)

    def test_primary_can_hear_and_cannot_speak(self):
        self.cut_off_and_back(
            lambda: self.wires.cut(self.address(self.old), [*self.elsewhere(self.old), self.wires.servers], is_one_way=True), True)

    def test_primary_can_speak_and_cannot_hear(self):
        self.cut_off_and_back(
            lambda: self.wires.hear_nothing(self.address(self.old), [*self.elsewhere(self.old), self.wires.servers]), True)

    def mended_when(self, action):
        """The primary is there again in the middle of the failover, with a client that never left it."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            with Trigger(self.fleet, begins(action, known_attempts(self.fleet)), lambda _: self.wires.mend()) as trigger:
                self.wires.cut(self.address(self.old), [*self.elsewhere(self.old), self.wires.servers])
                self.fleet.wait_until(trigger.happened.is_set, FAILOVER_SECONDS, f"{action} has begun")
            self.writes(writer)
            self.wait_healed()
            self.writes(writer)
            type(self).failovers += 1
            self.promoted.append(self.fleet.primary()["name"])
        self.judge(writer, loyal)

    def test_partition_is_mended_while_replicas_are_revoked(self):
        self.mended_when("revoke")

    def test_partition_is_mended_while_another_is_promoted(self):
        self.mended_when("promote")

    # MARK: Nobody need take over

    def test_primary_is_cut_from_the_servers_only(self):
        with self.writer() as writer:
            self.writes(writer)
            self.wires.cut(self.address(self.old), self.wires.servers)
            self.goes_on(writer)
            self.wires.mend()
            self.wait_healed()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()

    def test_all_agents_are_cut_from_the_servers(self):
        with self.writer() as writer:
            self.writes(writer)
            self.wires.cut(self.wires.servers)
            self.goes_on(writer, 2 * CUT_SECONDS)
            self.wires.mend()
            self.wait_healed()
        self.judge(writer, gap_max=UNDISTURBED_SECONDS)
        self.assert_no_failover()

    def test_primary_is_cut_from_the_servers_and_one_replica(self):
        for replica in self.others:
            with self.subTest(replica=replica["name"]), self.writer() as writer:
                self.writes(writer)
                self.wires.cut(self.address(self.old), [self.wires.servers, replica["address"]])
                self.goes_on(writer)
                self.wires.mend()
                self.wait_healed()
            self.judge(writer)
            self.assert_no_failover()

    def test_one_way_to_and_from_the_servers(self):
        for from_primary in (True, False):
            with self.subTest(from_primary=from_primary), self.writer() as writer:
                self.writes(writer)
                ends = (self.address(self.old), self.wires.servers)
                self.wires.cut(*(ends if from_primary else reversed(ends)), is_one_way=True)
                self.goes_on(writer)
                self.wires.mend()
                self.wait_healed()
            self.judge(writer, gap_max=UNDISTURBED_SECONDS)
            self.assert_no_failover()

    def test_one_replica_is_cut_from_the_primary(self):
        for is_one_way in (False, True):
            with self.subTest(is_one_way=is_one_way), self.writer() as writer:
                self.writes(writer)
                self.wires.cut(self.address(self.old), self.others[0]["address"], is_one_way=is_one_way)
                self.goes_on(writer)
                self.wires.mend()
                self.wait_healed()
            self.judge(writer)
            self.assert_no_failover()

    def test_replica_is_lost_until_its_connection_is_full(self):
        """The primary's thread still waits to send to it, TCP tries again 24 s later, and none of the replica's begins before."""
        replica = self.others[0]
        with self.writer() as writer:
            self.writes(writer)
            self.lose(replica)
            for statement in (
                "CREATE TABLE orders.wide (v LONGTEXT) ENGINE=InnoDB", *FULL_ROWS * ("INSERT INTO orders.wide VALUES (REPEAT('x', 1000000))",),
                "DROP TABLE orders.wide",
            ):
                self.root(self.old).rows(statement)
            self.goes_on(writer, seconds=FULL_SECONDS)
            self.assertTrue(self.is_sender_stuck(replica))
            written = self.number(self.root(self.old).value("SELECT @@gtid_binlog_pos"))
            self.bring_back(replica)
            self.fleet.wait_until(
                lambda: self.asked(lambda: self.number(self.root(replica).replication()["Gtid_IO_Pos"]) >= written), SOON_SECONDS,
                "it has received what was written meanwhile")
            self.wait_healed()
        self.judge(writer)
        self.assert_no_failover()

    @staticmethod
    def number(position):
        """Of the newest transaction of a position in one domain."""
        return max((int(gtid.rsplit("-", 1)[1]) for gtid in position.split(",") if gtid), default=0)

    def is_sender_stuck(self, replica):
        threads = self.root(self.old).rows(
            f"SELECT state FROM information_schema.processlist WHERE command = 'Binlog Dump' AND user LIKE '%\\_{replica['ordinal']}'")
        return threads == [["Writing to net"]]

    def test_nobody_reaches_anybody_for_a_while(self):
        """Hosts, servers and clients alike; whoever is the primary afterwards, nothing is lost."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            at = time.monotonic()
            self.wires.cut([self.fleet.address(host) for host in self.fleet.hosts])
            self.fleet.wait_until(lambda: time.monotonic() - at > CUT_SECONDS, 2 * CUT_SECONDS, "it was so for a while")
            self.wires.mend()
            self.writes(writer, seconds=60)
            self.wait_healed()
            self.count_failovers()
        self.judge(writer, loyal, gap_max=60)

    # MARK: The primary and its replicas only

    def test_primary_is_cut_from_its_replicas_only(self):
        """Its commits wait; servers reach everybody."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            self.wires.cut(self.address(self.old), self.address(*self.others))
            self.wait_failed_over()
            self.writes(writer)
            self.wires.mend()
            self.wait_healed()
        self.judge(writer, loyal, gap_max=GAP_PARTITION_SECONDS)

    def test_primary_is_cut_from_its_replicas_and_nobody_writes(self):
        """Another one has taken over before the first application that writes again would have to wait."""
        with self.writer() as writer:
            self.writes(writer)
        before, at = known_attempts(self.fleet), time.monotonic()
        self.wires.cut(self.address(self.old), self.address(*self.others))
        self.wait_failed_over()
        took = time.monotonic() - at
        self.assertLess(took, GAP_PARTITION_SECONDS)
        self.assertEqual([task["target"] for task in self.fleet.carried_out("probe", before)], [self.old["name"]])
        with self.writer() as later:
            self.writes(later)
            self.wires.mend()
            self.wait_healed()
        print(f"{self._testMethodName}: another took over {took:.1f} s after the cut", file=sys.stderr, flush=True)
        self.judge(later, writer)

    def test_primary_is_cut_from_its_replicas_for_a_while(self):
        """Whatever becomes of it: nothing is lost, and all is well once it is mended."""
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            self.wires.cut(self.address(self.old), self.address(*self.others))
            self.fleet.wait_until(
                lambda: all(self.is_cut_off(each) for each in self.others), STOP_SECONDS, "the replicas know that they are cut off")
            self.wires.mend()
            self.writes(writer)
            self.wait_healed()
        self.judge(writer, loyal)

    def is_cut_off(self, replica):
        return self.root(replica).replication().get("Slave_IO_Running") != "Yes"

    # MARK: Neither whole nor cut

    def lossy(self, ones, others=None):
        self.able, self.able_since = {}, time.monotonic()
        with self.writer() as writer, self.loyal(self.old) as loyal:
            self.writes(writer)
            self.wires.cut(ones, others, percent=LOSS_PERCENT)
            end = time.monotonic() + 2 * CUT_SECONDS
            while time.monotonic() < end:
                time.sleep(0.2)
                self.assert_one_acknowledges()
            self.wires.mend()
            self.writes(writer)
            self.wait_healed()
            self.count_failovers()
        self.judge(writer, loyal, gap_max=None)

    def assert_one_acknowledges(self):
        """Of those that take writes all but one have nobody to acknowledge. They are asked one after another, and one that
        has just lost its replicas counts them until it notices: two are able that stay so, and have commits acknowledged."""
        able = {}  # What it had acknowledged; None where it asks nobody to.
        for instance in self.members:
            root = self.root(instance)
            try:
                is_closed, is_semi_sync = root.rows("SELECT @@read_only, @@rpl_semi_sync_master_enabled")[0]
                clients, count = (root.status("Rpl_semi_sync_master_" + what) for what in ("clients", "yes_tx"))
            except (QueryFailed, OSError, IndexError, subprocess.TimeoutExpired):
                continue
            if is_closed == "0" and (is_semi_sync == "0" or clients != "0"):
                able[instance["name"]] = int(count) if is_semi_sync != "0" else None
        if able.keys() != self.able.keys():
            self.able, self.able_since = able, time.monotonic()
        elif time.monotonic() - self.able_since > ABLE_SECONDS:
            writing = [name for name, count in able.items() if count is None or count > (self.able[name] or 0)]
            self.assertLessEqual(len(writing), 1, (self.able, able))

    def test_lossy_link_of_the_primary(self):
        self.lossy(self.address(self.old))

    def test_lossy_links_everywhere(self):
        self.lossy([self.fleet.address(host) for host in self.fleet.hosts])

    def test_flapping_link_of_the_primary(self):
        with self.writer() as writer, self.loyal(self.old) as loyal:
            for _ in range(FLAPS):
                self.writes(writer, 5, 60)
                at = time.monotonic()
                self.isolate(self.fleet.primary())
                self.fleet.wait_until(lambda at=at: time.monotonic() - at > FLAP_SECONDS, STOP_SECONDS, "it was cut off for a while")
                self.wires.mend()
            self.writes(writer, ROWS_BEFORE, 60)
            self.wait_healed()
            self.count_failovers()
        self.judge(writer, loyal, gap_max=None)

    def test_replicas_lag_apart_and_a_zone_is_lost(self):
        """One replica is cut from the primary and behind, the other one has all: that one takes over, and the first follows."""
        behind, ahead = self.others
        with self.writer() as writer:
            self.writes(writer)
            self.wires.cut(self.address(self.old), behind["address"])
            self.fleet.wait_until(lambda: self.is_cut_off(behind), STOP_SECONDS, "one is cut off")
            self.writes(writer)
            self.lose(self.old)
            self.wait_failed_over(to=ahead)
            self.writes(writer)
            self.bring_back(self.old)
            self.wait_healed(BACK_SECONDS)
        self.judge(writer)


if __name__ == "__main__":
    unittest.main()
