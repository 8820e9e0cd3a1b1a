"""The fault matrix: power. A killed process loses nothing of what it wrote; a host without power loses what was not synced."""

import types
import unittest

import disks
from databases import Connection, QueryFailed
from harness import processes_below
from matrix import FAILOVER_SECONDS, MANY, in_turn, sampled
from operations import kill

SERVE_SECONDS = 90
LAST_ROWS = 20


@unittest.skipIf(disks.obstacle(), disks.obstacle())
@in_turn
@sampled(1)
class Power(disks.OnDisks):
    network = 75

    def lose_power(self, *instances, server=False, last=None):
        """Of their hosts, and of the server's. Cut off first: nobody hears of what their disks do not have. But for what is
        written by `last`: at its end nothing more reaches the first one's disk."""
        hosts = [each["host"] for each in instances]
        folders = [self.folder(host) for host in hosts] + ([self.server_folder()] if server else [])
        for folder in folders:
            disks.leave_witness(folder)
        if last:
            last()
            disks.cut_power(folders[0])
        if instances:
            self.isolate(*instances)
        for folder in folders[1 if last else 0:]:
            disks.cut_power(folder)
        if server:
            self.fleet.server.kill()
        for host in hosts:
            self.fleet.agents[host].kill()
            for pid, _ in processes_below(self.folder(host)):
                kill(pid)
        for folder in folders:
            self.unmount(folder)

    def power_on(self, *instances, server=False):
        if server:
            self.mount("server", self.server_folder())
            self.assert_struck(self.server_folder())
            self.fleet.start_server()
        for host in {each["host"] for each in instances}:
            self.mount(host, self.folder(host))
            self.assert_struck(self.folder(host))
        self.bring_back(*instances)

    def assert_struck(self, folder):
        witness = (folder / disks.WITNESS).read_bytes()  # What was not synced is missing, or zeros.
        self.assertTrue(witness.startswith(b"synced\n") and b"not synced" not in witness, f"no power was lost: {witness}")

    def test_power_of_the_primary_is_lost(self):
        """It comes back with what its disk has, and nobody misses the rest."""
        with self.writer() as writer:
            self.writes(writer)
            self.lose_power(self.old)
            self.wait_failed_over()
            self.writes(writer)
            self.power_on(self.old)
            self.wait_healed()
            self.writes(writer)
        self.judge(writer)

    def test_power_of_a_replica_is_lost_and_then_the_primary(self):
        """Without its relay log's end it acknowledges again only once it has caught up."""
        first, second = self.others
        with self.writer() as writer:
            self.writes(writer)
            self.lose_power(first)
            self.writes(writer)
            self.power_on(first)
            self.wait_healed()
            self.lose_power(second)
            self.writes(writer)  # Nobody but the first acknowledges.
            self.power_on(second)
            self.wait_healed()
            self.lose_power(self.old)
            self.wait_failed_over()
            self.writes(writer)
            self.power_on(self.old)
            self.wait_healed()
        self.judge(writer)

    def last_rows(self):
        """A client of its own at the primary: what writes a few rows, and those that were acknowledged."""
        client = Connection(self.old["address"], self.old["port"], "app", self.fleet.passwords["orders-app"], "orders")
        self.addCleanup(client.close)
        told = types.SimpleNamespace(acknowledged=[])
        first = self.next_rows()

        def write():
            for number in range(first, first + LAST_ROWS):
                client.execute(f"INSERT INTO acked (id) VALUES ({number})")
                told.acknowledged.append(number)

        return write, told

    def test_power_is_lost_everywhere(self):
        """Of all databases at once, right after an acknowledgement: the primary's disk has every row."""
        with self.writer() as writer:
            self.writes(writer)
        write, last = self.last_rows()
        self.lose_power(self.old, *self.others, last=write)
        self.power_on(*self.members)
        self.wait_healed(SERVE_SECONDS)
        with self.writer() as after:
            self.writes(after)
        self.judge(writer, last, after, *after.beside)

    def test_power_of_the_server_is_lost(self):
        """Right after it has taken a commit: its store knows all that it decided, and databases notice nothing."""
        with self.writer() as writer:
            self.writes(writer)
            self.fleet.edit((r"max_connections: 200", "max_connections: 210"), message="More connections")
            self.fleet.converge()
            self.lose_power(server=True)
            self.power_on(server=True)
            self.writes(writer)
            self.wait_healed(SERVE_SECONDS)
            self.fleet.edit((r"max_connections: 210", "max_connections: 200"), message="Fewer connections")
            self.fleet.converge()
        self.judge(writer)
        self.assert_no_failover()

    def test_what_is_not_synced_is_seen_to_be_lost(self):
        """The same with sync_binlog=0 by hand, while nobody can heal that: rows must be missing, or these tests show nothing."""
        type(self).failovers = MANY  # Nothing that it leaves is whole.
        for each in self.members:
            self.freeze(self.agent(each).pid)
            self.root(each).rows("SET GLOBAL sync_binlog=0")
        write, last = self.last_rows()
        self.lose_power(self.old, *self.others, last=write)
        self.power_on(self.old)
        self.fleet.wait_until(lambda: self.answers(self.old), FAILOVER_SECONDS, f"{self.old['name']} answers")
        self.assertEqual(len(last.acknowledged), LAST_ROWS)
        self.assertTrue(set(last.acknowledged) - self.rows(self.old), "sync_binlog=0 lost nothing")

    def answers(self, instance):
        try:
            return self.fleet.pid(instance) is not None and self.root(instance).answers()
        except (QueryFailed, OSError):
            return False


if __name__ == "__main__":
    unittest.main()
